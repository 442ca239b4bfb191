# SPDX-License-Identifier: Apache-2.0

# The status page: one sentence for each part, with what to do when something is wrong.
status-database-ok = The database is well.
status-database-away = The database does not answer. Check the disk space and the database service, then restart Video Home.
status-mediaserver-ok = The video service is well: { $rooms } rooms, { $peers } endpoints.
status-mediaserver-starting = The video service has just started and gets its rooms back. Look again in a few seconds.
status-mediaserver-away = The video service does not answer and is restarted by itself. If this lasts longer than a minute, read the mediaserver log in data/logs.
status-node-away = These parts of media nodes do not answer: { $nodes }. Calls go to other machines meanwhile; a call that is recorded there waits for its machine. Run videohome doctor to see why.
status-recorder-ok = The recorder is well and holds { $sessions } sessions.
status-recorder-away = The recorder does not answer and is restarted by itself; recording cannot start meanwhile. If this lasts longer than a minute, read the recorder log in data/logs.
status-recorder-other-version = Recorder and web program are of different versions. Restart Video Home.
status-store-ok = The store of the recordings is well.
status-store-away = The store of the recordings cannot be reached. Recordings wait on this machine and are uploaded later; check the store and the network.
status-store-refused = The store of the recordings refuses access. Check keys, rights and the bucket's name, then run videohome doctor.
status-recordings-ok = All recordings are sealed.
status-recordings-waiting = { $waiting } recordings are being uploaded or sealed, { $megabytes } MB to go.
status-recordings-failed = { $failed } recordings failed and are not sealed. Read the recorder log in data/logs, and do not delete data/spool.
status-worker-ok = The speech worker is well; { $waiting } transcripts wait.
status-worker-silent = The speech worker has been silent for { $age_s } seconds; { $waiting } transcripts wait. Read the worker log in data/logs.
status-worker-never = The speech worker has never run; { $waiting } transcripts wait. Make sure that it is started.
status-model-ok = The speech model { $model } is installed.
status-model-missing = The speech model { $model } is missing. Run videohome models install { $model }.
status-model-damaged = The speech model { $model } cannot be used. Run videohome models check, then install it again.
status-disk-ok = { $free_gb } GB free on { $folder }.
status-disk-low = Only { $free_gb } GB free on { $folder }. Free space or add a disk soon.
status-disk-full = Only { $free_gb } GB free on { $folder }: recording cannot start. Free space or add a disk at once.
status-certificate-ok = The certificate is good for { $days } more days.
status-certificate-expiring = The certificate expires in { $days } days. Have a new one ready.
status-certificate-expired = The certificate expired { $days } days ago and browsers refuse it. Replace it at once.
status-certificate-fault = The certificate could not be renewed or read again; the one in use is good for { $days } more days. { $reason }
status-certificate-missing = The certificate file { $path } does not exist. Check the setting tls_certificate.
status-check-failed = A check did not finish ({ $reason }). Read the web log in data/logs.
status-timestamp-ok = Every sealed recording was sent to the time stamp authority.
status-timestamp-waiting = Sealed recordings still without a time stamp: { $waiting }, the oldest for { $minutes } minutes. It is tried again and again, and the seals are not affected. Please check timestamp_url, timestamp_certificate and the network.
