# SPDX-License-Identifier: Apache-2.0
"""IP cameras."""

from __future__ import annotations

from tests.web.access import ADMINISTRATOR, NO_ID, Row
from tests.web.access.sessions import JOINING, SESSION

CAMERA = {"name": "摄像机 1", "place_id": NO_ID, "address": "rtsp://192.168.1.64/stream"}

ROWS = [
    Row("GET", "/api/cameras", ADMINISTRATOR),
    Row("POST", "/api/cameras", ADMINISTRATOR, status=404, body=CAMERA),
    Row("PATCH", "/api/cameras/{camera_id}", ADMINISTRATOR, status=404, body={"name": "x"}),
    Row("DELETE", "/api/cameras/{camera_id}", ADMINISTRATOR, status=404),
    Row("POST", "/api/cameras/picture", ADMINISTRATOR, status=404, body={"camera_id": NO_ID}),
    Row("GET", f"{SESSION}/cameras", JOINING, status=404),
    Row("PUT", f"{SESSION}/cameras", JOINING, status=404, body={"camera_ids": []}),
]
