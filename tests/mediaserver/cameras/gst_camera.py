# SPDX-License-Identifier: Apache-2.0
"""A camera made of GStreamer's RTSP server, run by the system's Python (python3-gi):

    python3 gst_camera.py PORT USER PASSWORD PROTOCOLS "/path=launch line" …

Digest sign-in unless USER is "-"; PROTOCOLS is tcp, udp or both. Prints one line when it listens. Each line of its
input, "ELEMENT PROPERTY VALUE", changes a named element of the streams that are being watched.
"""

from __future__ import annotations

import sys
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found] # noqa: E402


def main() -> None:
    """Serve until killed."""
    port, user, password, protocols, *streams = sys.argv[1:]
    Gst.init(None)
    server: Any = GstRtspServer.RTSPServer()
    server.set_service(port)
    server.set_address("127.0.0.1")
    mounts = server.get_mount_points()
    watched: list[Any] = []
    if user != "-":
        server.set_auth(_digest(user, password))
    for stream in streams:
        path, _, launch = stream.partition("=")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        lower = GstRtsp.RTSPLowerTrans
        factory.set_protocols({"tcp": lower.TCP, "udp": lower.UDP, "both": lower.TCP | lower.UDP}[protocols])
        if user != "-":
            roles = GstRtspServer.RTSPPermissions()
            roles.add_permission_for_role("viewer", "media.factory.access", True)
            roles.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(roles)
        factory.connect("media-configure", lambda _, media: watched.append(media.get_element()))
        mounts.add_factory(path, factory)
    server.attach(None)
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, _obey, watched)
    print("listening", flush=True)
    GLib.MainLoop().run()


def _obey(source: Any, condition: Any, watched: list[Any]) -> bool:
    words = source.readline().split()
    if len(words) != 3:  # the end of the input
        return False
    for found in [stream.get_by_name(words[0]) for stream in watched]:
        if found is not None:
            Gst.util_set_object_arg(found, words[1], words[2])
    return True


def _digest(user: str, password: str) -> Any:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    return auth


if __name__ == "__main__":
    main()
