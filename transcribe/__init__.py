# SPDX-License-Identifier: Apache-2.0
"""Speech worker: turns the recorded tracks of a session into lines with time, speaker and text."""
