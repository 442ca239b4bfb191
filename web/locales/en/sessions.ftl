# SPDX-License-Identifier: Apache-2.0
# Home pages and the list of sessions; the words for a session's, a recording's and a transcript's state.
insecure = Browsers give cameras and microphones to trusted HTTPS pages only, so calls cannot work here. Install the root certificate, then open the https address.
insecure-action = Install the certificate
live-interrupted = Live updates interrupted, reconnecting…

camera-there = Camera connected
camera-missing = No camera found, check its cable
microphone-there = Microphone connected
microphone-missing = No microphone found, check its cable
hero-running = Running now
hero-ready = Ready
hero-none = No session is running
hero-none-lead = After Start you check camera and microphone first. Recording begins only after everybody present has agreed.
start-session = Start
enter-session = Enter
join-session = Join
new-session = New session
new-session-other = Open another session
new-session-create = Create and enter
new-session-default = Video mediation { $when }
session-title = Title
session-title-hint = For example: Land dispute of Zhang and Li. You will find it by its title and its people.
session-language = Spoken language
session-language-hint = Used to write down what is said. Choose Mandarin for dialects.
spoken-zh = Mandarin
spoken-en = English

headquarters-title = Headquarters desk
headquarters-lead = { $running } running, { $open } ready to start
headquarters-none = No session is waiting or running
headquarters-none-lead = As soon as a station starts one it appears here. There is no need to reload.
clerk-title = Recent sessions
clerk-lead = { $ready } with text ready, { $working } being transcribed
clerk-none = No sessions yet
clerk-none-lead = Sessions appear here when they end, with the progress of recording and transcription as it happens.
today = Today
today-none = No session has ended today
today-none-lead = After a session ends, the progress of its recording and transcript shows here.
all-sessions = All sessions

sessions-title = Sessions
sessions-none = No sessions yet
sessions-none-lead = When a station officer presses Start on the home page, the session appears here.
sessions-none-found = No session matches
sessions-none-found-lead = Widen the dates, or search for another word.
clear-filters = Clear filters
more = Show more
filter-search = Title or person
filter-place = Place
filter-state = State
filter-from = From
filter-to = To
filter-all = All

column-session = Session
column-when = Time
column-length = Length
column-state = State
column-recording = Recording
column-transcript = Text
length-so-far = { $minutes } min so far

session-open = Ready to start
session-live = Running
session-ended = Ended

recording-off = Not recorded
recording-on = Recording since { $since }
recording-paused = Recording paused since { $since }
recording-stopped = Recording ended, being put in order
recording-uploading = Being stored, up to { $to }
recording-sealed = Sealed, complete
recording-sealed-gaps = Sealed, with gaps
recording-expired = Destroyed on { $date } at the end of its time
recording-error = Recording failed, tell the technician
recording-warning-store-away = The store cannot be reached. Recordings stay on the server and are uploaded when it is back.
recording-warning-disk-full = The server's disk is full and recording cannot go on. Call the technician now.
recording-warning-disk-failed = The recorder cannot write to the server's disk. Call the technician now.
recording-warning-disk-low = The server's disk is filling up. Tell the technician.
recording-warning-recorder-away = The recorder does not answer and is being restarted.

text-queued = Waiting
text-running = Transcribing
text-done = Text ready
text-failed = Transcription failed
text-expired = Destroyed with the recording
