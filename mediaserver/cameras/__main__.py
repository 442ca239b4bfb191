# SPDX-License-Identifier: Apache-2.0
"""`python -m mediaserver.cameras`: one camera, started by its name with everything on standard input.

The first line is JSON: `{"task": "picture", "camera": {…}}` answers with one line and ends;
`{"task": "room", "camera": {…}, "socket": path, "room": id}` works until standard input ends; `{"task": "samples"}`
looks into one sample for each further line (mediaserver.cameras.samples) until standard input ends. Answers are JSON
lines on standard output: `{"ask": "token"}` wants `{"token": "…"}` on standard input, `{"state": …}` tells a new state.
No address and no password is ever printed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from mediaserver.cameras.states import CameraFault, CameraSpec, State


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _picture(spec: CameraSpec) -> None:
    from mediaserver.cameras import still

    try:
        _say({"state": State.RUNNING.value, **still.take(spec)})
    except CameraFault as fault:
        _say({"state": fault.state.value, "detail": fault.detail})


def _samples() -> int:
    from mediaserver.cameras import samples

    with open(0, "rb", closefd=False) as pipe:
        samples.run(pipe, _say)
    return 0


def main() -> int:
    """Exit status: 0 after the work or the end of standard input, 1 when the room is lost, 2 for a wrong order."""
    try:
        with open(0, "rb", buffering=0, closefd=False) as pipe:  # not a byte more than the first line is taken
            order = json.loads(pipe.readline())
        if order["task"] == "samples":
            return _samples()
        spec = CameraSpec.read(order["camera"])
        task = order["task"]
    except (ValueError, KeyError, TypeError):
        print("The camera's order is not understood.", file=sys.stderr)
        return 2
    if task == "picture":
        _picture(spec)
        return 0
    from mediaserver.cameras.membership import run_in_room

    return run_in_room(spec, order["socket"], order["room"], _say)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the camera's thread may wait for the network for seconds more
