# SPDX-License-Identifier: Apache-2.0

## Devices that come by WHIP or WHEP
error-door-token-invalid = The token is missing, wrong or has run out. Please open a new door for this device on the session's page.
error-door-token-elsewhere = This token belongs to another session or another kind of door. Please check the address.
error-door-closed = This door was closed by a person. Please open a new one if the device shall come in.
error-door-not-found = There is no such door. Please reload the list.
error-too-many-doors = No more than { $max } doors can be open in one session. Please close one first.
error-sdp-expected = The request must carry a session description (application/sdp), a PATCH a trickle fragment.
error-sdp-invalid = The session description cannot be read. { $reason }
error-sdp-too-large = The session description is too large (the limit is 64 KB).
error-offer-unsupported = The offer cannot be taken. { $reason }
error-not-published = There is nothing to watch yet. Please try again in { $retry_after_s } seconds.
error-visit-not-found = This connection is over. Please begin a new one.
error-if-match-missing = A PATCH must say with If-Match which state it is for.
error-if-match-failed = The connection has changed meanwhile. Please use its newest ETag.
error-too-many-visits = Too many devices are connected. Please try again in { $retry_after_s } seconds.
