# SPDX-License-Identifier: Apache-2.0
"""HTTPS front: pages, API, accounts, sessions and documents."""
