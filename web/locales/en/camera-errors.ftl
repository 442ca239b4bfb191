# SPDX-License-Identifier: Apache-2.0
# What can go wrong with IP cameras.
error-camera-not-found = There is no such camera; it may have been removed. Please reload the page.
error-camera-address-invalid = That is no camera address. It begins with rtsp://, for example rtsp://192.168.1.64:554/stream.
error-camera-address-has-password = Please take the user name and password out of the address and enter them below.
error-camera-user-name-invalid = A camera's user name cannot contain a colon.
error-camera-sign-in-too-long = User name and password are too long for RTSP. Please shorten them on the camera.
error-camera-password-lost = The saved password cannot be opened (its key file was replaced). Please enter this camera's password again.
error-camera-unreachable = The camera cannot be reached. Please check address and port, cable and power, and that the server may reach the camera's network.
error-camera-not-rtsp = Something answers at this address, but not RTSP. Please check the port; 554 is usual.
error-camera-wrong-password = The camera does not accept this user name or password. Please check them before trying again: after several wrong ones it locks itself for about half an hour.
error-camera-no-such-stream = The camera has no such stream. Please check the path after the host name; each maker writes it differently.
error-camera-transport-refused = The camera does not support this transport. Please try the other one of TCP and UDP.
error-camera-codec-not-usable = The camera sends { $codec }, which browsers cannot show. Please set its video to H.264 (without B frames and “smart” coding), or use an H.264 sub-stream.
error-camera-no-key-frame = The camera answers, but no whole picture came. Please set its key frame (I frame) interval to 2 seconds and try again.
error-camera-lost = The picture broke off. Please check the network, or let fewer viewers watch this camera, and try again.
error-camera-busy = Other cameras are being tested. Please try again in a few seconds.
error-camera-fault = The test program failed. Please try again; if it fails again, tell the technician.
error-too-many-cameras = A session has at most { $most } cameras. Please take one out first.
