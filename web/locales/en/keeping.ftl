# SPDX-License-Identifier: Apache-2.0

# How long records are kept, legal holds, and the store's locks.
status-name-lock = Lock on recordings
status-lock-enforced = The store really enforces its lock ({ $mode }, tried at the start): sealed recordings cannot be deleted before their time.
status-lock-off = Locks in the store are switched off (setting s3_lock).
status-lock-unknown = The store has not answered yet, so nobody knows whether it enforces locks.
status-lock-missing = This bucket cannot lock: only the seal and a second copy of the list prove the recordings. Make a new bucket with Object Lock, or use a store that has it.
status-lock-ignored = The store promises locks, but deleted or overwrote a locked object. Do not rely on it, and use another store.
status-lock-refused = The store refuses to lock the recordings of { $sessions } sessions. Read the web log in data/logs.

status-name-encryption = Encryption in the store
status-encryption-encrypted = The store encrypts the recordings and gives them back (tried at the start).
status-encryption-unknown = The store has not answered yet, so nobody knows whether it encrypts.
status-encryption-refused = The store refuses to encrypt, so nothing can be uploaded. Give it a key, or set s3_encryption = off.
status-encryption-ignored = The store takes the recordings but does not say that it encrypts them. Do not rely on it, and use another store.
status-encryption-unreadable = The store cannot read what it encrypted. Set s3_encryption = off, or use another store.

status-name-copy = Copies of recordings
status-copy-ok = Every recording has a checked copy on the second store.
status-copy-waiting = { $waiting } objects ({ $megabytes } MB) are being copied to the second store.
status-copy-away = The second store cannot be reached or refuses; { $waiting } objects ({ $megabytes } MB) wait to be copied. The originals are safe. Check the settings s3_copy_… and the network.
status-copy-unknown = The recorder does not answer, so nobody knows how the copies are.

keeping-title = Kept how long
keeping-class = Class
keeping-days = { $days } days
keeping-permanent = for ever
keeping-until = Kept until { $date }
keeping-for-ever = Kept for ever
keeping-after-end = Counted from the end of the session
keeping-held = Legal hold: { $reason } ({ $name }, { $date })
keeping-locked-until = Locked in the store until { $date }
keeping-store-held = Locked in the store without an end
keeping-change = Change class
keeping-hold = Set legal hold
keeping-hold-lead = While it is held, this session's recording is not deleted whatever its class says.
keeping-lift = Lift legal hold
keeping-lift-lead = The recording is then kept for its class's time.
keeping-reason = Reason
keeping-class-ordinary = Ordinary
keeping-class-mediation = Mediation
keeping-class-evidence = Case evidence

keeping-overview = Keeping of recordings
keeping-overview-lead = How long each class is kept, what is held, and what was deleted. The times stand in the setting retention_classes.
keeping-sessions = Recordings
keeping-default = { $name } (default)
keeping-holds = Legal holds
keeping-holds-none = Nothing is held.
keeping-expired-list = Deleted at their time
keeping-expired-none = Nothing was deleted yet. The technician deletes what reached its time with videohome expire.
keeping-expired-line = Deleted on { $date }, { $objects } files
keeping-expired-unfinished = Deletion began on { $date } and is not finished: run videohome expire --really again
