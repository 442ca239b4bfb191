# SPDX-License-Identifier: Apache-2.0
"""A meeting that never ends: two dozen scripted peers in virtual time, and what must hold all along.

`make soak` runs an hour of it; the test suite a short form from a fixed seed.
"""
