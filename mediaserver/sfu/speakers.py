# SPDX-License-Identifier: Apache-2.0
"""Who is heard and who speaks, from the audio levels that publishers send with each packet (RFC 6464).

Only the loudest few are forwarded; the others cost nothing and leave no gap. Recording does not come through here.
"""

from __future__ import annotations

TOP = 3
"""Microphones forwarded at a time."""
FALL_DB_PER_S = 20.0
"""A peak is remembered while it falls by this: a pause between two sentences takes nobody's place away."""
TAKES_PLACE_DB = 6.0
"""Louder than the quietest that is heard by more than this, one takes its place."""
ACTIVE_LEVEL = 35
"""dB below full scale: a packet at most this quiet is speech (LiveKit's figure)."""
WINDOW_S = 0.4
ACTIVE_SHARE = 0.4
"""Speech for this share of a window makes the window one of speech."""
PACKET_S = 0.02
CHALLENGE_DB = 6.0
CHALLENGE_S = 0.8
"""Somebody else is the speaker when louder by so much for so long, or at once when the speaker is silent."""
SILENCE_S = 2.0
"""After this without speech nobody is the speaker."""


class Voice:
    """What is known of one microphone. Loudness is 127 for full scale, 0 for digital silence."""

    __slots__ = ("active", "audible", "loudness", "peak", "peak_at", "peer_id", "speech_at", "total", "window_at")

    def __init__(self, peer_id: str) -> None:
        self.peer_id = peer_id
        self.audible = False
        self.peak, self.peak_at = 0.0, -1e9
        self.loudness = 0.0
        """Of the last windows of speech, smoothed."""
        self.speech_at = -1e9
        self.window_at: float | None = None
        self.active = 0
        self.total = 0.0

    def score(self, now: float) -> float:
        """The falling peak."""
        return self.peak - (now - self.peak_at) * FALL_DB_PER_S

    def hear(self, level: int, now: float) -> None:
        """A packet with this level (0 is loudest, 127 silence) came."""
        loud, fallen = 127.0 - level, self.peak - (now - self.peak_at) * FALL_DB_PER_S
        self.peak, self.peak_at = loud if loud > fallen else fallen, now
        if self.window_at is None or now - self.window_at > 2 * WINDOW_S:
            self.window_at, self.active, self.total = now, 0, 0.0
        elif now - self.window_at >= WINDOW_S:
            self._close_window(now)
        if level <= ACTIVE_LEVEL:
            self.active += 1
            self.total += loud

    def _close_window(self, now: float) -> None:
        assert self.window_at is not None, "a window is open"
        if self.active * PACKET_S >= ACTIVE_SHARE * (now - self.window_at):
            mean = self.total / self.active
            self.loudness = mean if now - self.speech_at > SILENCE_S else (self.loudness + mean) / 2
            self.speech_at = now
        self.window_at, self.active, self.total = now, 0, 0.0

    def speaks(self, now: float) -> bool:
        """There was speech just now."""
        return now - self.speech_at <= 2 * WINDOW_S


class Speakers:
    """The microphones of one room."""

    __slots__ = ("_audible", "_challenged_at", "_challenger", "_voices", "speaker", "top")

    def __init__(self, top: int = TOP) -> None:
        self.top = top
        self.speaker: str | None = None
        self._voices: list[Voice] = []
        self._audible: list[Voice] = []
        self._challenger: Voice | None = None
        self._challenged_at = 0.0

    def add(self, peer_id: str) -> Voice:
        """A microphone whose packets carry levels."""
        voice = Voice(peer_id)
        self._voices.append(voice)
        return voice

    def remove(self, voice: Voice) -> None:
        """It has ended."""
        voice.audible = False
        self._voices = [other for other in self._voices if other is not voice]
        self._audible = [other for other in self._audible if other is not voice]

    def heard(self, voice: Voice, level: int, now: float) -> bool:
        """Count a packet; True when it is to be forwarded."""
        voice.hear(level, now)
        if voice.audible:
            return True
        if len(self._audible) >= self.top:
            quietest = min(self._audible, key=lambda other: other.score(now))
            if voice.peak <= quietest.score(now) + TAKES_PLACE_DB:
                return False
            quietest.audible = False
            self._audible.remove(quietest)
        voice.audible = True
        self._audible.append(voice)
        return True

    def review(self, now: float) -> bool:
        """Look who speaks; True when `speaker` has changed. To be called about ten times a second."""
        before = self.speaker
        current = next((voice for voice in self._voices if voice.peer_id == before), None)
        others = [voice for voice in self._voices if voice is not current and voice.speaks(now)]
        best = max(others, key=lambda voice: voice.loudness, default=None)
        if current is None or now - current.speech_at > SILENCE_S:
            self.speaker = None
        if best is None:
            self._challenger = None
        elif current is None or not current.speaks(now):
            self._take_over(best)
        elif best.loudness <= current.loudness + CHALLENGE_DB:
            self._challenger = None
        elif self._challenger is not best:
            self._challenger, self._challenged_at = best, now
        elif now - self._challenged_at >= CHALLENGE_S:
            self._take_over(best)
        return self.speaker != before

    def _take_over(self, voice: Voice) -> None:
        self.speaker, self._challenger = voice.peer_id, None
