# SPDX-License-Identifier: Apache-2.0
"""Which store the settings mean: the configured address, or the embedded one that `serve` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.embedded import StoreNotStarted, read_access
from storage.layout import own_key_key
from storage.objects.keyed import Elsewhere, KeyedStore, nowhere
from storage.objects.protocol import ObjectMissing, StoreAway
from storage.own_keys import LIMIT_BYTES
from storage.settings import Settings

if TYPE_CHECKING:  # loaded with the first store: it takes a sixth of a second that a start should not wait for
    from storage.objects.s3 import S3Store


def open_store(settings: Settings, elsewhere: Elsewhere = nowhere) -> KeyedStore:
    """The store of this installation; opens no connection yet. `elsewhere`: own keys that it may not hold yet.

    Raises StoreAway when the embedded store was never started, StoreRefused when the address is malformed. The
    embedded store may get another port when it starts again, so on StoreAway open it anew.
    """
    return KeyedStore(_first(settings), settings.secrets_dir, elsewhere)


def _first(settings: Settings) -> S3Store:
    from storage.objects.s3 import S3Store

    if settings.s3_endpoint:
        return S3Store(
            settings.s3_endpoint,
            settings.s3_access_key.get_secret_value(),
            settings.s3_secret_key.get_secret_value(),
            settings.s3_bucket,
            secure=settings.s3_secure,
            region=settings.s3_region,
            encryption=settings.s3_encryption,
            encryption_key=settings.s3_encryption_key,
        )
    try:
        access = read_access(settings.data_dir / "store")
    except StoreNotStarted as error:
        raise StoreAway(str(error)) from None
    return S3Store(
        access.endpoint,
        access.access_key,
        access.secret_key,
        settings.s3_bucket,
        secure=False,
        region=settings.s3_region,
    )


def open_copy(settings: Settings) -> KeyedStore | None:
    """The second store, None where none is configured. Raises StoreRefused when its address is malformed.

    A session's own key that is not there yet is asked of the first store.
    """
    if not settings.s3_copy_endpoint:
        return None
    from storage.objects.s3 import S3Store

    copy = S3Store(
        settings.s3_copy_endpoint,
        settings.s3_copy_access_key.get_secret_value(),
        settings.s3_copy_secret_key.get_secret_value(),
        settings.s3_copy_bucket,
        secure=settings.s3_copy_secure,
        region=settings.s3_copy_region,
    )

    def in_the_first(county: str, session_id: str) -> bytes | None:
        try:
            return _first(settings).read_bytes(own_key_key(county, session_id), LIMIT_BYTES)
        except ObjectMissing:
            return None

    return KeyedStore(copy, settings.secrets_dir, in_the_first)


def open_stores(settings: Settings) -> list[KeyedStore]:
    """The store and, where there is one, the second copy. Raises as `open_store` and `open_copy` do."""
    copy = open_copy(settings)
    return [open_store(settings), *([] if copy is None else [copy])]
