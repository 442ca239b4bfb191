# SPDX-License-Identifier: Apache-2.0
"""How much a receiver's link carries (estimate), and who gets it (allocator). Pure: every call is told the time."""
