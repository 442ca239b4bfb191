# SPDX-License-Identifier: Apache-2.0
# Alarms: what is wrong with a camera or a microphone at this moment.
alarm-own-mic-silent = Your microphone gives no sound, nobody hears you. Check its switch and its plug, or choose another one under “Devices”.
alarm-own-mic-clipping = Your microphone is too loud and your voice is distorted. Move a little away from it, or turn it down in the computer's sound settings.
alarm-own-cam-black = Your camera's picture is black. Open its cover, switch on a light, or choose another camera under “Devices”.
alarm-own-mic-stalled = Your voice does not reach the server at this moment. Please wait; if it stays so, switch the microphone off and on.
alarm-own-cam-stalled = Your picture does not reach the server at this moment. Please wait; if it stays so, switch the camera off and on.
alarm-own-screen-stalled = Your screen does not reach the server at this moment. If it stays so, share it again.
alarm-own-screen-audio-stalled = The sound of your screen does not reach the server at this moment. If it stays so, share it again.
alarm-other-mic-silent = The microphone of { $name } gives no sound. Ask them to check its switch and its plug.
alarm-other-mic-clipping = The microphone of { $name } is too loud and distorts. Ask them to move a little away from it.
alarm-other-cam-black = The camera picture of { $name } is black. Ask them to open its cover and switch on a light.
alarm-other-mic-stalled = No sound comes from { $name } at this moment.
alarm-other-cam-stalled = No picture comes from { $name } at this moment.
alarm-other-screen-stalled = The screen of { $name } does not come at this moment.
alarm-other-screen-audio-stalled = The sound of { $name }'s screen does not come at this moment.
alarm-others = { $count } microphones or cameras have a problem just now: { $names }. Please ask them to check.
alarm-names-between = , {""}
alarm-names-more = { $count } more

# The live state of every track, in the devices' panel of whoever leads.
tracks-title = State of each picture and sound
tracks-waiting = Asking the server …
tracks-none = Nobody sends anything yet.
tracks-who = Who
tracks-what = What
tracks-state = State
tracks-bytes = Received
tracks-last = Last at
tracks-level = Level
tracks-sealed = Saved to
tracks-uploaded = Uploaded to
tracks-source-mic = Sound
tracks-source-cam = Picture
tracks-source-screen = Screen
tracks-source-screen-audio = Screen sound
tracks-on = Arrives
tracks-off = Switched off
tracks-ended = Ended
tracks-track-stalled = Does not arrive
tracks-camera-black = Black
tracks-mic-silent = No sound
tracks-mic-clipping = Too loud
