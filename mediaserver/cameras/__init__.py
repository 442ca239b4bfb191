# SPDX-License-Identifier: Apache-2.0
"""One child process for each IP camera: pulls its stream by RTSP and brings it into a room, as any other peer.

Nothing else of the mediaserver imports this package: it is started by name, so that a decoder's fault ends one camera
and not the calls. `h264`, `clock` and `states` are pure.
"""
