# SPDX-License-Identifier: Apache-2.0
"""Re-checking a recording wherever it lies: in the store, in an exported folder, in a zip. Nothing is ever written."""
