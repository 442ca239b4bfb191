#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves `make run` on a bare Debian 12: debootstrap into a folder, a clone of this repository's HEAD, and nothing else.
#   sudo tests/bare_debian.sh [FOLDER]    (default /tmp/videohome-bare; needs debootstrap; about 1.5 GB and ten minutes)
# Prints how long the first start and three later ones took. Names servers, certificates and registries as on this machine.
set -euo pipefail

root=${1:-/tmp/videohome-bare}
repository=$(cd "$(dirname "$0")/.." && pwd)
https_port=${HTTPS_PORT:-28443}
media_port=${MEDIA_PORT:-27882}
mirror=${MIRROR:-http://deb.debian.org/debian}

say() { echo "== $*"; }
copy() { if [ -e "$1" ]; then install -D -m 644 "$1" "$root$1"; fi; }

unmount() {
    for folder in dev/shm dev proc sys; do
        if mountpoint -q "$root/$folder"; then umount -l "$root/$folder"; fi
    done
}
trap unmount EXIT

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=ca-certificates,make,git,python3,python3-venv bookworm "$root" "$mirror"
fi
# What makes this machine reach its registries; a machine with plain Internet has none of these.
copy /etc/resolv.conf
copy /etc/ssl/certs/ca-certificates.crt
copy /etc/pip.conf
for file in "$HOME/.npmrc" "$HOME/.config/pip/pip.conf"; do
    if [ -e "$file" ]; then install -D "$file" "$root/root/${file#"$HOME/"}"; fi
done
for folder in proc sys dev dev/shm; do
    if ! mountpoint -q "$root/$folder"; then mount --bind "/$folder" "$root/$folder"; fi
done
rm -rf "$root/videohome" && git clone -q "$repository" "$root/videohome"
say "$(cat "$root/etc/debian_version"), commit $(git -C "$root/videohome" log -1 --format='%h %s')"

start() {
    # Keeps what says where registries and certificates are, and nothing else of this shell.
    local kept=()
    while IFS='=' read -r name _; do
        case "$name" in
        PIP_CERT | PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_DEFAULT_TIMEOUT | NPM_CONFIG_* | npm_config_* | \
            NODE_EXTRA_CA_CERTS | SSL_CERT_FILE | *_proxy | *_PROXY) kept+=("$name=${!name}") ;;
        esac
    done < <(env)
    local output="$root/videohome-$1.txt" began
    began=$(date +%s.%N)
    env -i "${kept[@]}" HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 \
        VIDEOHOME_HTTPS_PORT="$https_port" VIDEOHOME_MEDIA_PORT="$media_port" \
        setsid chroot "$root" make -C /videohome run >"$output" 2>&1 &
    local leader=$!
    until grep -q 'Ctrl-C stops everything' "$output"; do
        if ! kill -0 "$leader" 2>/dev/null; then
            say "start $1 FAILED"
            tail -n 60 "$output"
            exit 1
        fi
        sleep 0.1
    done
    say "start $1: $(echo "$(date +%s.%N) - $began" | bc) s until the addresses were printed"
    if [ "$1" = 1 ]; then sed 's/one-time password .*/one-time password (hidden)/' "$output"; fi
    say "readyz: $(curl -sk "https://127.0.0.1:$https_port/readyz")"
    for path in / /ca /healthz; do
        say "$path: $(curl -sk -o /dev/null -w '%{http_code}, %{size_download} bytes' "https://127.0.0.1:$https_port$path")"
    done
    if [ "$1" = 2 ]; then
        chroot "$root" env LANG=C.UTF-8 VIDEOHOME_HTTPS_PORT="$https_port" VIDEOHOME_MEDIA_PORT="$media_port" \
            VIDEOHOME_DATA_DIR=/videohome/data /videohome/.venv/bin/videohome doctor || true
    fi
    kill -INT -- "-$leader"
    wait "$leader" || say "start $1 ended with status $?"
    tail -n 2 "$output"
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/root")" = "$root" ]; then say "still runs: $(tr '\0' ' ' <"$process/cmdline")"; fi
    done
}

start 1
for number in 2 3 4; do start "$number"; done
