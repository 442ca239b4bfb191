# SPDX-License-Identifier: Apache-2.0
"""Bytes that nobody meant: random ones, and good ones with a fault, at every place where bytes come in.

`make fuzz` runs each target for a minute from a new seed; the test suite runs each for some thousand inputs from fixed
ones. A finding prints the target, the seed and the input; put the input into the target's tests when it is mended.
"""
