# SPDX-License-Identifier: Apache-2.0
"""Faults of the recorder: power that fails between two writes, kills at any moment, stores that refuse or lie.

`make faults` tries thousands of moments; the test suite some dozens from fixed seeds.
"""
