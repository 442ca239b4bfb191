# SPDX-License-Identifier: Apache-2.0
"""The recorder's process: reads the mediaserver's feed, keeps the spool, uploads and seals."""
