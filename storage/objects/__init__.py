# SPDX-License-Identifier: Apache-2.0
"""Object storage: one protocol, one implementation for every S3 store, and `open_store` to get it."""

from storage.objects.opening import open_store
from storage.objects.protocol import (
    SHA256,
    DigestMismatch,
    ObjectMissing,
    ObjectStat,
    ObjectStore,
    RangeReader,
    StoreAway,
    StoreError,
    StoreRefused,
)

__all__ = [
    "SHA256",
    "DigestMismatch",
    "ObjectMissing",
    "ObjectStat",
    "ObjectStore",
    "RangeReader",
    "StoreAway",
    "StoreError",
    "StoreRefused",
    "open_store",
]
