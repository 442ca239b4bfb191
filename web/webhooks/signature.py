# SPDX-License-Identifier: Apache-2.0
"""How a receiver knows that a message is ours and new: the headers of the Standard Webhooks convention.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY` with the secret's UTF-8 bytes. A
receiver compares in constant time, refuses time stamps that are minutes old, and remembers ids it has seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def headers(secret: str, event_id: str, timestamp_s: int, body: str) -> dict[str, str]:
    """Headers of one attempt."""
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(secret, event_id, timestamp_s, body),
    }


def sign(secret: str, event_id: str, timestamp_s: int, body: str) -> str:
    """Value of `webhook-signature`."""
    text = f"{event_id}.{timestamp_s}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode("ascii")
