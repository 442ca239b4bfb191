# SPDX-License-Identifier: Apache-2.0

# Private talks
caucus-title = Private talk
caucus-choose = Talk with whom alone?
caucus-choose-hint = Meanwhile the room is silent: the others neither hear nor see anybody. A running recording pauses and goes on by itself afterwards.
caucus-nobody = Nobody is in the room whom you could talk with alone.
caucus-and = { ", " }
caucus-start = Begin the talk
caucus-end = End the talk
caucus-enter = Enter the talk
caucus-waiting = A private talk is going on, please wait
caucus-waiting-hint = The room is silent now: you hear nobody, nobody hears or sees you, and nothing is recorded. All goes on by itself when the talk has ended.
caucus-here = Private talk
caucus-here-hint = The others in the room neither hear nor see this, and none of it goes into the room's recording.
caucus-took-place = Private talk { $from }–{ $to }
caucus-goes-on = now
caucus-open-record = Open its record
caucus-record = The record of a private talk: only whoever held it can see it, and every look is noted.
caucus-record-main = Back to the main record
caucus-of-title = { $title } (private talk)
