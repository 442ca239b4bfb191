# SPDX-License-Identifier: Apache-2.0
"""Faults in three classes, by who can mend them: the peer, the world around us, or we ourselves."""

from __future__ import annotations


class Fault(Exception):
    """Base of all faults of the mediaserver.

    `code` is a stable word that machines compare; `message` is one English sentence for a log or a developer.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code


class PeerFault(Fault):
    """What a peer sent is wrong or not allowed; it gets the code back and nobody else is touched."""


class WorldFault(Fault):
    """Network, disk or another process did not do its part; trying again later may help."""


class OwnFault(Fault):
    """A promise of our own code was broken; it is logged as an error with its trace."""
