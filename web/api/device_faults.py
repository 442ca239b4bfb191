# SPDX-License-Identifier: Apache-2.0
"""What a page could not do with its camera, microphone or screen, counted for the technician."""

from __future__ import annotations

from typing import Literal

import structlog
from aiohttp import web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import COUNTERS, SIGNED_IN, ApiView, Body, answer
from web.api.shapes import Nothing

log = structlog.get_logger(__name__)


class DeviceFaultBody(Body):
    """Which device, and why (the browser's reason in the pages' words, `web/ui/src/call/devices.ts`)."""

    device: Literal["mic", "cam", "screen"]
    fault: Literal["insecure", "refused", "none", "busy", "unsuited", "ended", "unknown"]


class DeviceFaultsView(ApiView):
    """Faults of devices at the endpoints."""

    ACCESS = {"POST": SIGNED_IN}

    async def post(self, body: DeviceFaultBody) -> r200[Nothing]:
        """Count one fault; nothing else is kept."""
        self.request.app[COUNTERS].count(f"device_{body.device}_{body.fault}")
        log.info("device_fault", device=body.device, fault=body.fault, by=self.caller.id, place=self.caller.place_name)
        return answer({})


def add_routes(app: web.Application) -> None:
    """Add the route of this part."""
    app.router.add_view("/api/device-faults", DeviceFaultsView)
