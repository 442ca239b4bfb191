# SPDX-License-Identifier: Apache-2.0
"""Protecting a sealed session in the store: by its locks where they were seen to hold, else by a kept version.

All calls block.
"""

from __future__ import annotations

import hashlib

from storage.layout import ManifestVersionKey, manifest_key, session_folder
from storage.objects.protocol import LockMode, LockProbe, ObjectStore, StoreRefused
from storage.settings import Settings

MANIFEST_LIMIT_BYTES = 256 << 20


def find_out(store: ObjectStore, settings: Settings) -> LockProbe | None:
    """Whether the store really enforces the lock that is set; None where `s3_lock` is off.

    The embedded store is ours: a bucket that it made before there were locks is allowed them. Somebody else's bucket
    stays as its owner made it.
    """
    if settings.s3_lock == "off":
        return None
    store.ensure_bucket()
    found = store.probe_lock(settings.s3_lock)
    if found.enforced or settings.s3_endpoint or found.found not in ("no_versions", "no_lock"):
        return found
    try:
        store.allow_locks()
    except StoreRefused:
        return found
    return store.probe_lock(settings.s3_lock)


def protect(
    store: ObjectStore, county: str, session_id: str, mode: LockMode, until_utc_ms: int | None, *, held: bool
) -> int:
    """Lock all objects of a session until then (None: no time), and hold or release them; how many there are.

    What is so already is only looked at: a transcript that joins a locked recording must not keep the store busy.
    The manifest comes last: when it is locked, everything that it names is.
    """
    last = manifest_key(county, session_id)
    keys = [item.key for item in store.list(session_folder(county, session_id))]
    for key in sorted(keys, key=lambda key: (key == last, key)):
        found = store.lock_of(key)
        if until_utc_ms is not None and (found.mode != mode or found.until_utc_ms < until_utc_ms):
            store.lock(key, until_utc_ms, mode)
        if found.held != held:
            store.hold(key, held)
    return len(keys)


def keep_version(store: ObjectStore, county: str, session_id: str) -> str:
    """Keep the manifest as it is now under its digest, too; its key. Raises ObjectMissing without a manifest."""
    data = store.read_bytes(manifest_key(county, session_id), MANIFEST_LIMIT_BYTES)
    key = str(ManifestVersionKey(county, session_id, hashlib.sha256(data).hexdigest()))
    if not any(item.key == key for item in store.list(key)):
        store.put_bytes(key, data, "application/json")
    return key
