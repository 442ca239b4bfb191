# SPDX-License-Identifier: Apache-2.0
# The record: player, transcript, downloads.
record-back = All sessions
record-join = Join the session
record-people =
    { $count ->
        [one] 1 person
       *[other] { $count } people
    }
record-people-all-agreed = all agreed to the recording
record-people-missing = { $names } did not agree
record-nobody = Nobody was listed
record-agreed = agreed to the recording at { $time }
record-withdrawn = did not agree, { $time }
record-not-asked = not asked yet
record-length = Length { $length }
record-updates-away = The connection to the server was lost and is being made again. Progress shown here may be out of date.

# State of the recording
record-state-off = Not recorded
record-state-on = Recording
record-state-paused = Recording paused
record-state-stopped = Recording stopped, finishing
record-state-uploading = Recording stopped, being stored
record-state-sealed = Recording sealed
record-state-expired = Recording destroyed on { $date } at the end of its time
record-state-error = The recording failed
record-recorded-to = Recorded to { $recorded }
record-progress = Recorded to { $recorded }, uploaded to { $uploaded }
record-waiting =
    { $count ->
        [one] 1 file ({ $size }) waits for upload
       *[other] { $count } files ({ $size }) wait for upload
    }
record-warning-store-away = The store cannot be reached. The recording is kept on this server and uploads by itself when the store is back; nothing is lost.
record-warning-disk-full = The server's disk is full and recording cannot go on. Please tell the technician at once.
record-warning-disk-failed = The recorder cannot write to the server's disk although there is room. Please tell the technician at once.
record-warning-disk-low = The server's disk is nearly full. Please tell the technician.
record-warning-recorder-away = The recorder does not answer and is being restarted. If this is still here in a minute, please tell the technician.
record-error-lead = Not all of the recording was sealed. What was stored is safe. Please tell the technician.
record-wait = When the session has ended and its recording is sealed, you can play and read it here.
record-sealing = You can play it as soon as it is sealed, usually within a minute.
record-expired-lead = The recording reached the end of its time and was destroyed by rule; it can no longer be played. What was registered about the session, and who used its record, are kept.

# The certificate
record-complete = Complete
record-complete-lead = From { $from } to { $to } nothing is missing from the recording.
record-complete-print = { record-complete }. { record-complete-lead }
record-with-gaps =
    { $count ->
        [one] 1 gap
       *[other] { $count } gaps
    }
record-with-gaps-lead =
    { $count ->
        [one] From { $from } to { $to } there is 1 gap in the recording, { $length } in all.
       *[other] From { $from } to { $to } there are { $count } gaps in the recording, { $length } in all.
    }
record-interruptions =
    { $count ->
        [one] One pause or absence is not counted as a gap.
       *[other] { $count } pauses or absences are not counted as gaps.
    }
record-certificate = Certificate for the file
record-certificate-docx = Word
record-certificate-txt = Text
record-code = Integrity code
record-code-hint = This code stands for the sealed recording. Copy it onto the agreement; videohome verify compares it later.
record-key = Public key of the seal { $key }
record-key-hint = With this key, videohome verify proves that recording and manifest were not changed.
record-gaps = Gaps and interruptions
record-gap-all = Everything
record-gap-sound = Sound of { $name }
record-gap-picture = Picture of { $name }
record-gap-screen = Screen of { $name }
record-gap-packets =
    { $count ->
        [one] 1 packet
       *[other] { $count } packets
    }
record-gaps-more = Show all { $count }
record-cause-loss = Lost on the network
record-cause-recorder-down = The recorder was down
record-cause-mediaserver-down = The media server was down
record-cause-feed-overflow = The recorder could not keep up
record-cause-disk-full = The disk was full
record-cause-paused = Recording paused
record-cause-paused-because = Recording paused: { $reason }
record-cause-publisher-away = Absent or disconnected

# The player
player-label = Player
player-play = Play
player-pause = Pause
player-back = Back 5 seconds
player-forward = Forward 5 seconds
player-frame-back = One picture back (,)
player-frame-forward = One picture on (.)
player-speed = Speed
player-position = Position
player-clock = at { $clock }
player-refused = The browser wants a click before it plays sound. Please press Play.
player-unsupported = This browser cannot play the recording. Please use a current Chrome, Edge or Firefox.
player-people = Voices
player-volume = Volume of { $name }
player-mute = Mute
player-muted = Muted
player-solo = Solo
player-full-screen = { $name } in full screen
player-skip = Skip to { $clock }
player-no-picture = No picture
player-loading = Loading
player-trouble = Loading is difficult, trying again
player-absent-before = Not here yet
player-absent-after = Has left
player-absent-nothing = Nothing was recorded here
player-screen = Screen of { $name }
player-keys = Space plays and pauses · ←→ 5 seconds · , . picture by picture · ↑↓ choose a line · Enter plays it · / searches
player-event-peer-joined = { $name } joined
player-event-peer-left = { $name } left
player-event-source-off = { $name } { $source ->
    [mic] switched the microphone off
    [cam] switched the camera off
   *[other] stopped sharing
}
player-event-source-on = { $name } { $source ->
    [mic] switched the microphone on
    [cam] switched the camera on
   *[other] shared again
}
player-event-muted = { $name } was muted by the host
player-event-unmuted = { $name } speaks again
player-event-removed = { $name } was removed by the host
player-event-admitted = { $name } was let in by the host
player-event-denied = { $name } was not let in by the host
player-event-host-changed = { $name } leads from now on
player-event-locked = Session locked
player-event-unlocked = Session unlocked
player-event-hand-raised = { $name } raised a hand
player-event-recording-started = Recording started
player-event-recording-paused = Paused
player-event-recording-paused-because = Paused: { $reason }
player-event-recording-resumed = Resumed
player-event-recording-resumed-because = Resumed: { $reason }
player-event-recording-stopped = Stopped
player-event-caucus-started = Private talk begins
player-event-caucus-ended = Private talk ends
player-contents = Sections and markers
player-marker = Marker { $n }
player-go-to = Go to { $time } { $label }
player-event-consent-given = { $name } agreed to the recording
player-event-consent-withdrawn = { $name } withdrew consent

# The transcript
lines = Transcript
lines-none = No transcript
lines-none-lead = This session was not recorded, so there is no transcript.
lines-expired = The transcript was destroyed with the recording
lines-expired-lead = At the end of its time the text goes together with the recording. Files that were downloaded or printed before are not touched.
lines-later = No transcript yet
lines-later-lead = It is made by itself once the recording is sealed, and appears here when it is ready.
lines-queued = Waiting to be transcribed
lines-queued-lead = Other sessions come first. It starts by itself; you need not wait here.
lines-running = Being transcribed
lines-running-lead = It takes about half as long as the recording, and appears here when it is ready.
lines-step-preparing = preparing
lines-step-decoding = reading the recording
lines-step-recognising = recognising speech
lines-step-writing = writing the lines
lines-done = Transcribed
lines-failed = The transcription failed
lines-retry = Transcribe again
lines-retried = Queued again
lines-machine = Made by machine and not corrected by a person. Check against the recording before quoting.
lines-model = Speech model { $model }
lines-empty = Nothing was heard
lines-empty-lead = There is no speech in the recording that could be made out. Play it to check; if somebody did speak, transcribe it again.
lines-lines =
    { $count ->
        [one] 1 line
       *[other] { $count } lines
    }
lines-search = Search the transcript
lines-search-count = { $at } of { $count }
lines-search-none = Not found
lines-search-next = Next
lines-search-previous = Previous
lines-follow = Back to the line being played
lines-copy-line = Copy this line
lines-play-line = Play from { $time }
lines-download = Download
lines-docx = Word
lines-srt = Subtitles SRT
lines-json = Data JSON
lines-fault-model-missing = No speech model is installed. Ask the technician to install one with videohome models, then transcribe again.
lines-fault-model-damaged = The speech model's files are damaged. Ask the technician to install it anew, then transcribe again.
lines-fault-model-incomplete = The speech model is not complete. Ask the technician to install it anew, then transcribe again.
lines-fault-model-english-only = The installed speech model knows English only. Ask the technician for a multilingual one, then transcribe again.
lines-fault-manifest-missing = The list of the recording is not in the store. Please tell the technician.
lines-fault-manifest-invalid = The list of the recording cannot be read. Please tell the technician.
lines-fault-segment-missing = A piece of the recording is not in the store. Tell the technician; transcribe again once it is back.
lines-fault-segment-damaged = A piece of the recording is not what was sealed. Please tell the technician at once.
lines-fault-segment-unreadable = A piece of the recording cannot be decoded. Please tell the technician.
lines-fault-no-audio = No sound was recorded in this session, so there is no transcript.
lines-fault-store-unavailable = The store cannot be reached. Transcribe again once it is back.
lines-fault-store-refused = The store refuses access. Ask the technician to check its settings, then transcribe again.
lines-fault-recording-key-missing = The recording is encrypted and its key is not on the server. Ask the technician to put secrets/recording.key back from the backup, then transcribe again.
lines-fault-engine-failed = The speech program ended unexpectedly, perhaps for lack of memory. Transcribe again; if it fails once more, tell the technician.
lines-fault-internal = Something unexpected happened. Transcribe again; if it fails once more, tell the technician the code { $code }.
lines-flag = doubtful
lines-flag-loop = One phrase over and over: perhaps not what was said.
lines-flag-credit = Sounds like film credits: perhaps nobody said it.
lines-flag-prompt = Sounds like the instruction to the speech program: perhaps nobody said it.
lines-flag-glossary = Only words of the glossary: perhaps nobody said it.
lines-flag-rate = More words than anybody can say in that time.
lines-flag-echo = The same words at the same time on another track: perhaps heard through the other's loudspeaker.
lines-flag-unsure = Unclear sound: the speech program was not sure.

print-title = Record of the session
print-date = Time
print-place = Place
print-people = People present
print-record = Recording
print-made = Printed { $time }
