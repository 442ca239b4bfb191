# SPDX-License-Identifier: Apache-2.0
# One sentence for every error code about copies: what is wrong and what to do.
error-copy-not-found = There is no such copy, or you may not fetch it. Please reload the page to see its state.
error-copy-own = You cannot decide over your own request. Please ask another person who may.
error-copy-decided = This request has been decided already. Please reload the page to see how.
error-copy-reason-needed = A refusal needs a reason. Please write one and send again.
error-copy-not-own = Only the person who asked for it can do this. Please ask them.
error-copy-over = This request is over and cannot be changed any more. Please ask for a new copy.
error-copy-span-empty = The end must come after the beginning. Please correct the times.
error-copy-nothing-chosen = There is no recording in the tracks and the time you chose. Please choose again.
error-copy-no-room = The server’s disk has no room for the copy. Please tell the technician, then press “Make it again”.
error-copy-not-written = The copy could not be written to the server’s disk. Please tell the technician, then press “Make it again”.
