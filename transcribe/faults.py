# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a transcript, as a stable code (for the page) and a sentence (for the technician)."""

from __future__ import annotations


class TranscriptFault(Exception):
    """The job cannot be done as things stand; it may be tried again once the cause is removed.

    Codes: model_missing, model_damaged, model_english_only, model_incomplete, manifest_missing, manifest_invalid,
    segment_missing, segment_damaged, segment_unreadable, no_audio, store_unavailable, store_refused,
    recording_key_missing, engine_failed, internal. Of derivatives, too: nothing_recorded, chunks_differ, disk_full,
    maker_failed, cancelled.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)  # both, so that the fault survives being pickled
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class StoreAwayFault(TranscriptFault):
    """The object store does not answer: worth another try in a moment."""

    def __init__(self, sentence: str) -> None:
        super().__init__("store_unavailable", sentence)
        self.args = (sentence,)
