# SPDX-License-Identifier: Apache-2.0
# The composite video
composite = Composite video
composite-order = Make a composite video
composite-lead = Everybody's pictures and voices in one MP4 file, with time and names in the picture. Made in the background; calls are not disturbed.
composite-queued = The composite video waits for its turn
composite-running = The composite video is being made
composite-cancel = Cancel
composite-download = Download the composite video
composite-size = MP4, { $size }. The sealed recording remains the original.
composite-again = Make it again
composite-fault-manifest-missing = The store does not hold the list of the recording, so no composite video can be made. Please tell the technician.
composite-fault-manifest-invalid = The list of the recording cannot be read, so no composite video can be made. Please tell the technician.
composite-fault-segment-missing = The store lacks a piece of the recording, so no composite video can be made. Please tell the technician.
composite-fault-segment-damaged = A piece of the recording is not what was sealed, so no composite video was made. Please tell the technician at once.
composite-fault-segment-unreadable = A piece of the recording cannot be decoded, so no composite video can be made. Please tell the technician.
composite-fault-nothing-recorded = Neither sound nor picture was recorded in this session, so no composite video can be made.
composite-fault-disk-full = The server's disk is too full for a composite video. Please have the technician free some space, then make it again.
composite-fault-store-unavailable = The store cannot be reached. When it is back, make it again; what was made so far is kept.
composite-fault-store-refused = The store refuses access. Please have the technician check its settings, then make it again.
composite-fault-recording-key-missing = The recording is encrypted and its key is not on the server. Please have the technician put secrets/recording.key back from the backup, then make it again.
composite-fault-maker-failed = The program that makes it ended, perhaps for lack of memory. Please make it again; if that fails, tell the technician.
composite-fault-internal = Something unexpected went wrong. Please make it again; if that fails, give the code { $code } to the technician.
