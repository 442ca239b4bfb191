# SPDX-License-Identifier: Apache-2.0
"""`python -m web.first_admin`: brings the database up to date and makes the first administrator.

Prints one JSON line, {"password": "..."} for a new one-time password or {"password": null}. With `--reset` the account
`admin` gets a new one-time password in any case: the way back for a technician who can log in to the machine.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from storage.database import audit_chain
from storage.database.engine import sync_engine
from storage.database.models import Account, SignIn
from storage.database.upgrade import UpgradeFault, upgrade_database
from storage.ids import new_id
from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings
from web.accounts.passwords import hash_now, one_time_password

USERNAME: Final = "admin"


def ensure_administrator(settings: Settings, now_ms: int, *, reset: bool = False) -> str | None:
    """One-time password of `admin` when there was no active administrator (or `reset`), else None.

    Raises DBAPIError, OSError.
    """
    engine = sync_engine(settings)
    try:
        with Session(engine) as db, db.begin():
            administrators = select(Account.id).where(
                Account.county == settings.county, Account.role == "administrator", Account.active
            )
            if db.scalar(administrators.limit(1)) is not None and not reset:
                return None
            password = one_time_password()
            _open_admin(db, settings.county, password, now_ms)
            return password
    finally:
        engine.dispose()


def _open_admin(db: Session, county: str, password: str, now_ms: int) -> None:
    account = db.scalar(select(Account).where(Account.county == county, Account.username == USERNAME))
    if account is None:
        account = Account(
            id=new_id(), county=county, username=USERNAME, name="管理员 Administrator", created_utc_ms=now_ms
        )
        db.add(account)
    account.role, account.active = "administrator", True
    account.password_hash, account.must_change_password = hash_now(password), True
    ended = update(SignIn).where(SignIn.subject_id == account.id, SignIn.ended_utc_ms.is_(None))
    db.execute(ended.values(ended_utc_ms=now_ms, end_reason="password_changed"))
    by = ("system", "", "", "")
    audit_chain.write(db, county, by, "account.first_administrator", account.id, now_ms, {})


def main() -> int:
    """Exit status 0, or 1 (78 for settings) with one sentence on standard error."""
    try:
        settings = load_settings()
        upgrade_database(settings)
        password = ensure_administrator(settings, time.time_ns() // 1_000_000, reset="--reset" in sys.argv[1:])
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    except UpgradeFault as fault:
        print(fault, file=sys.stderr)
        return 1
    except (DBAPIError, OSError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error.strerror
        print(f"The database cannot be opened ({reason}); check database_url and the data folder.", file=sys.stderr)
        return 1
    print(json.dumps({"password": password}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
