# SPDX-License-Identifier: Apache-2.0
# The call: before, during, after.
call-title = Video session
call-room = In session
call-back = Back

## Before joining
call-present = Already in the session: { $names }
call-own-picture = Your picture
call-camera = Camera
call-microphone = Microphone
call-speaker = Loudspeaker
call-device-default = System default
call-camera-off = The camera is off
call-camera-opening = Opening the camera…
call-level = Microphone level
call-say-something = Say something to test it
call-original-sound = Original sound
call-original-sound-hint = No echo, noise or level processing. For conference microphones and external sound cards.
call-mic = Microphone
call-cam = Camera
call-mic-turn-on = Turn the microphone on
call-mic-turn-off = Turn the microphone off
call-cam-turn-on = Turn the camera on
call-cam-turn-off = Turn the camera off
call-join = Join the session
call-join-without-camera = Join without camera
call-join-without-microphone = Join without microphone
call-join-watching = Join to watch and listen
call-open-ca = Install the certificate

## What is wrong with a device
call-fault-insecure = This page is not on a secure connection, so the browser allows no camera or microphone. Install the system's certificate as described, then open the https address.
call-fault-cam-refused = The camera is not allowed. Click the icon left of the address, allow the camera, then try again.
call-fault-cam-none = No camera was found. Plug one in, then try again.
call-fault-cam-busy = The camera is in use by another program. Close that program, then try again.
call-fault-cam-unsuited = The chosen camera cannot be used. Choose another one, or try again.
call-fault-cam-ended = The camera was disconnected. Plug it in again, then try again.
call-fault-cam-unknown = The camera cannot be opened. Try again; if it still fails, give the details to the technician.
call-fault-mic-refused = The microphone is not allowed. Click the icon left of the address, allow the microphone, then try again.
call-fault-mic-none = No microphone was found. Plug one in, then try again.
call-fault-mic-busy = The microphone is in use by another program. Close that program, then try again.
call-fault-mic-unsuited = The chosen microphone cannot be used. Choose another one, or try again.
call-fault-mic-ended = The microphone was disconnected. Plug it in again, then try again.
call-fault-mic-unknown = The microphone cannot be opened. Try again; if it still fails, give the details to the technician.

## Who is here and what they agreed to
call-people-here = People here
call-people-elsewhere = Other places
call-people-nobody = Please list everyone who sits before this camera.
call-person-name = Name
call-person-kind = Present as
call-person-add = Add
call-person-remove = Remove { $name }
call-consent-of = { $name } has understood and agrees to being recorded
call-tick-to-agree = Read it out, tick when they agree
call-agreed-at = Agreed to being recorded at { $time }
call-not-agreed = Does not agree to being recorded
call-word-agreed = Agreed
call-word-not-agreed = Not agreed
call-nobody-listed = Nobody listed yet
call-withdraw-ask = When the consent of { $name } is withdrawn, recording pauses at once. What was recorded is kept, with a note.
call-withdraw = Withdraw consent
call-consent-title = Notice of recording (version { $version })
call-all-agreed = Everyone here has agreed to being recorded.
call-consent-later = You can join now; recording starts only when everyone present has agreed.
call-consent-before-join = This session is recorded: everyone here must agree before joining.
call-consent-count = { $agreed } of { $people } have agreed
attendee-kind-officer = Officer
attendee-kind-mediator = Mediator
attendee-kind-party = Party
attendee-kind-companion = Companion
attendee-kind-village-cadre = Village official
attendee-kind-witness = Witness
attendee-kind-guardian = Guardian
attendee-kind-interpreter = Interpreter
attendee-kind-other = Other

## The recording
call-rec-off = Not recording
call-rec-on = Recording since { $time }
call-rec-paused = Recording paused since { $time } ({ $reason })
call-rec-stopped = Recording ended, being completed
call-rec-uploading = Uploading the recording
call-rec-sealed = Recording sealed
call-rec-error = Recording failed, please tell the technician
call-rec-start = Start recording
call-rec-pause = Pause
call-rec-pause-ask = Why is recording paused? The reason is sealed with the record.
call-rec-pause-own = Another reason
call-rec-pause-unsaid = Pause without a reason
call-rec-pause-cancel = Go on recording
call-rec-resume = Resume recording
call-pause-by-hand = paused by hand
call-uploaded-to = Uploaded to { $time }
call-warning-store-away = The storage server cannot be reached. The recording is kept on this server, nothing is lost, and it is uploaded as soon as possible ({ $waiting } segments waiting).
call-warning-disk-low = The server's disk is getting full, please tell the technician. Recording goes on.
call-warning-disk-full = The server's disk is full and recording cannot go on. Tell the technician at once.
call-warning-disk-failed = The recorder cannot write to the server's disk although there is room. Recording stands still. Tell the technician at once.
call-warning-recorder-away = The recorder does not answer and is being restarted. Please wait; if this stays for a minute, tell the technician.

## Markers and sections of the record
call-mark = Mark
call-mark-hint = Mark this moment, to go straight to it later
call-marked = Marked { $time }
call-marked-as = Marked { $time }: { $label }
call-mark-name = What it is
call-mark-name-save = Write
call-mark-undo = Undo
call-mark-word-statement = Statement
call-mark-word-evidence = Evidence
call-mark-word-dispute = Point in dispute
call-mark-word-agreed = Both agree
call-marks = Sections and markers
call-mark-remove = Delete
call-mark-remove-of = Delete “{ $label }”
call-mark-plain = Marker { $n }
call-section-now = Now: { $label }
call-section-begin = Begin a section
call-section-begin-hint = A new section begins and the one before it ends
call-section-own = Another name
call-section-start = Begin
call-section-end = End this section
call-section-word-opening = Opening
call-section-word-statements = Statements
call-section-word-mediation = Mediation
call-section-word-agreement = Reading the agreement
call-section-word-signing = Signing

## The pictures
call-pictures = Pictures
call-picture-of = Picture of { $name }
call-screen-of = Screen of { $name }
call-me = { $name } (me)
call-pin = Make large
call-unpin = Unpin
call-alone = Waiting for others to join
call-peer-reconnecting = Reconnecting
call-tile-camera-off = Camera is off
call-tile-no-picture = No picture
call-frozen = Picture is { $seconds } s old

## Connection
call-connecting = Connecting…
call-connected = Connected
call-reconnecting = Reconnecting, { $seconds } s
call-quality-good = Good connection
call-quality-fair = Fair connection
call-quality-poor = Poor connection
call-quality-figures = Delay { $rtt } ms · up { $up } kb/s · down { $down } kb/s · lost { $lost }
call-sending-size = Sending { $width }×{ $height }, { $fps } frames a second
call-cpu-limited = This computer is busy; the picture was made smaller.
call-sound-blocked = The browser is not playing sound yet.
call-sound-on = Turn on sound
call-media-blocked = The network lets no sound and picture through. Ask the technician to open the media port listed in the README (UDP and TCP) in the firewall.

## Controls
call-controls = Controls
call-panel-people = People and consent
call-panel-devices = Devices
call-fullscreen = Full screen
call-share = Share screen
call-share-stop = Stop sharing
call-leave = Leave
call-end = End session
call-end-ask = Everyone leaves, and this session cannot be continued.
call-end-ask-recorded = Everyone leaves, the recording is sealed, and this session cannot be continued.
call-end-cancel = Do not end
call-end-confirm = End for everyone

## Afterwards
call-after-left = You have left the session
call-after-closed = The session has ended
call-after-replaced = You joined this session in another window
call-after-removed = You were removed from the session
call-after-refused = You cannot join this session
call-after-protocol = The system was just updated. Please reload the page.
call-after-length = Length { $length }
call-after-waiting = { $count } segments are still being uploaded. There is no need to wait.
call-after-open = Open recording and transcript
call-after-rejoin = Join again
call-after-here = Continue here
call-after-removed-why = The host removed you from the session. You can come back once the host allows it.
call-after-denied = The host did not let you in
call-after-denied-why = If you need to take part, please ask the host to allow it, then try again.
call-after-full = Too many people are waiting
call-after-full-why = The waiting room is full. Please try again in a few minutes, or contact the host.

## Waiting to be let in
call-waiting-title = Waiting for the host to let you in
call-waiting-host-here = The host sees your request. Please wait a moment
call-waiting-host-away = The host is not here yet. Please wait; your request is shown as soon as they come
call-waiting-hint = You come in by yourself once the host agrees. Until then nobody sees or hears you, and nothing is recorded.
call-waiting-leave = Stop waiting

## The host and the others
call-host = Host
call-host-desk = Hosting
call-host-is = Host: { $name }
call-host-away = The host is not in the session
call-take-over = Take the lead
call-is-locked = The session is locked: nobody new can come in
call-lock = Lock the session
call-lock-hint = Nobody new comes in; whoever was in can come back
call-waiting-room = Wait before joining
call-waiting-room-hint = Newcomers wait until you let them in
call-mute-all = Mute everybody
call-knock-one = { $name } ({ $place }) asks to join
call-knock-many = { $count } people ask to join
call-knock-show = Show
call-knocking = Waiting to join
call-admit = Let in
call-admit-name = Let { $name } in
call-deny = Refuse
call-deny-name = Do not let { $name } in
call-kept-out = Not allowed in
call-out-removed = removed
call-out-denied = not let in
call-allow = Allow
call-allow-name = Allow { $name } to join
call-hands = Raised hands
call-hand-raise = Raise hand
call-hand-lower = Lower hand
call-hand-lower-name = Lower the hand of { $name }
call-hand-place = Hand up, no. { $place }
call-hand-mine = Your hand is up, no. { $place } in the queue
call-on-stage = On stage
call-spotlight-off = Clear the stage
call-muted-by = Muted by { $name }
call-muted-mic = { $name } switched your microphone off. Switch it on when you want to speak.
call-muted-cam = { $name } switched your camera off. Switch it on when needed.
call-muted-screen = { $name } stopped your screen sharing.
call-unmute-asked-mic = { $name } asks you to switch your microphone on.
call-unmute-asked-cam = { $name } asks you to switch your camera on.
call-unmute-asked-screen = { $name } asks you to share your screen.
call-appeal-not-now = Not now
call-menu-of = Actions for { $name }
call-menu-mute = Mute
call-menu-ask-unmute = Ask to speak
call-menu-cam-off = Switch camera off
call-menu-ask-cam = Ask to show the camera
call-menu-screen-off = Stop screen sharing
call-menu-spotlight = Put on everybody's stage
call-menu-host = Hand over the lead
call-menu-host-ask = { $name } will lead then. You can no longer lock the session, mute or remove others.
call-menu-remove = Remove from the session
call-menu-remove-ask = { $name } cannot come back, unless you allow it under “Not allowed in”.
