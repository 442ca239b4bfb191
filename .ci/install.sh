#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the system packages that running or testing needs, on Debian 12 or Ubuntu, as root or by sudo.
#   install.sh python PYTHON VENV   a Python >= 3.11 with venv, and the virtual environment
#   install.sh test                 Chromium, ffmpeg, fonts, network tools, coturn, GStreamer, PostgreSQL and a C compiler for the tests
set -euo pipefail

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_install() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        echo "These system packages are missing: ${missing[*]}. Please install them and try again." >&2
        exit 1
    fi
    echo "Installing system packages: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

case "$1" in
python)
    python=$2 venv=$3
    if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        apt_install python3 python3-venv python3-pip ca-certificates
    fi
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Video Home needs Python 3.11 or newer; $("$python" --version) is here. Try make PYTHON=python3.12." >&2
        exit 1
    fi
    "$python" -m venv "$venv"
    ;;
test)
    apt_install chromium ffmpeg fonts-droid-fallback iproute2 libnss3-tools util-linux mount e2fsprogs openssl xxd \
        gcc libc6-dev python3-dev libsrtp2-dev
    # the other database (tests/postgres.py starts a cluster of its own and leaves the system's alone)
    apt_install postgresql
    # cameras of others for the tests: GStreamer's RTSP server, and a compiler for live555's
    apt_install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
        gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly g++
    # programs of others that come in by the standard doors (tests/interop)
    apt_install coturn gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-base-1.0 python3-gst-1.0
    ;;
*)
    echo "usage: install.sh python PYTHON VENV | install.sh test" >&2
    exit 2
    ;;
esac
