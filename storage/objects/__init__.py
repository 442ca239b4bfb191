# SPDX-License-Identifier: Apache-2.0
"""Object storage: one protocol, one implementation for every S3 store, and `open_store` to get it."""

from storage.objects.keyed import KeyedStore
from storage.objects.opening import open_copy, open_store, open_stores
from storage.objects.protocol import (
    LOCK_PROBES,
    SHA256,
    DigestMismatch,
    EncryptionFound,
    KeyMissing,
    LockMode,
    LockProbe,
    ObjectLock,
    ObjectMissing,
    ObjectStat,
    ObjectStore,
    RangeReader,
    StoreAway,
    StoreError,
    StoreRefused,
)

__all__ = [
    "LOCK_PROBES",
    "SHA256",
    "DigestMismatch",
    "EncryptionFound",
    "KeyMissing",
    "KeyedStore",
    "LockMode",
    "LockProbe",
    "ObjectLock",
    "ObjectMissing",
    "ObjectStat",
    "ObjectStore",
    "RangeReader",
    "StoreAway",
    "StoreError",
    "StoreRefused",
    "open_copy",
    "open_store",
    "open_stores",
]
