# SPDX-License-Identifier: Apache-2.0
"""The addresses under which other machines reach this one."""

from __future__ import annotations

import ipaddress
import socket

import psutil


def machine_addresses(bind: str, advertise: list[str]) -> list[str]:
    """Addresses to give to browsers, the best first: advertised ones, then the machine's own, loopback last.

    `bind` limits the machine's own: a single address gives only itself. Link-local addresses are left out, they need
    a zone that a browser's address line cannot carry.
    """
    if bind not in ("0.0.0.0", "::"):
        return list(dict.fromkeys([*advertise, bind]))
    own: list[str] = []
    loopback: list[str] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family not in (socket.AF_INET, socket.AF_INET6) or "%" in entry.address:
                continue
            if bind == "0.0.0.0" and entry.family == socket.AF_INET6:
                continue
            address = ipaddress.ip_address(entry.address)
            if address.is_link_local:
                continue
            (loopback if address.is_loopback else own).append(entry.address)
    return list(dict.fromkeys([*advertise, *sorted(own), *sorted(loopback)]))
