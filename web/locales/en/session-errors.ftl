# SPDX-License-Identifier: Apache-2.0

# One sentence for every error code about sessions, recording and transcripts: what is wrong and what to do.
error-session-not-found = There is no such session, or you may not see it. Please go back to the list of sessions.
error-session-ended = This session has ended and cannot be entered or changed any more. Please open a new one to go on.
error-consent-required = This session is being recorded. Please ask { $names } to agree to it before coming in.
error-consent-missing = Recording cannot start yet: { $names } did not agree so far. Please ask for consent first.
error-nobody-present = Nobody is in the room yet. Please enter the room, then start recording.
error-recording-not-on = Recording has not started, so it cannot be paused or resumed.
error-attendee-not-found = The list of people has changed and this person is not on it. Please reload the page.
error-consent-text-changed = The notice has changed. Please reload the page, read it out again, then confirm.
error-media-away = The video service is restarting. Please try again in a few seconds; if it takes longer than a minute, tell the technician.
error-recorder-away = The recorder does not answer, so nothing can be recorded now. Please try again in a few seconds; if it happens again, tell the technician.
error-disk-full = The server's disk is full and recording cannot start. Please tell the technician at once.
error-store-away = The store of the recordings does not answer. Nothing is lost; please try again later, and if it happens again tell the technician.
error-store-refused = The store of the recordings refused the request. Please ask the technician to check its keys and rights.
error-recording-not-ready = The recording is not sealed yet. It can be played once it is; please look again later.
error-record-missing = The store does not hold this recording. Please tell the technician at once, and delete nothing.
error-record-damaged = This recording is not what was sealed and is not played. Please tell the technician at once, and delete nothing.
error-transcript-not-ready = The transcript is not finished. Please wait until it is, then download it.
error-transcript-under-way = The transcript is being made. Please wait until it is finished.
error-composite-not-ready = The composite video is not finished yet; please download it when it is.
error-composite-under-way = The composite video is being made; please wait for it, or cancel it first.
error-composite-ready = The composite video is finished and can be downloaded.
error-composite-not-under-way = No composite video is being made; please reload the page.
error-overview-not-ready = Waveform and small pictures are not made yet; playing does not need them.
error-too-many-pages = Too many pages are open. Please close those you do not need and try again in a moment.
error-websocket-expected = This address is only for the call page. Please enter the room from the session's page.
error-session-locked = The host has locked this session, so nobody new can come in. Please ask the host to unlock it, then try again.
error-removed-from-session = The host has removed you from this session. To come back, please ask the host to allow it.
error-entry-denied = The host did not let you into this session. Please ask the host to allow it, then try again.
error-not-host = Only the host can do this. Please raise your hand or ask the host.
error-host-present = The host is still in the session, so the lead cannot be taken over. Please ask the host to hand it over.
error-peer-needed = Please choose a person first.
error-peer-not-found = This person is not part of the session. Please reload the page and try again.
error-peer-not-in-room = This person is not in the session at the moment. Please wait until they are, then try again.
error-not-oneself = You cannot do this to yourself. To leave, please press “Leave”.
error-room-not-running = The session is not running yet and nobody is in the room. Please join it first.
