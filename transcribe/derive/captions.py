# SPDX-License-Identifier: Apache-2.0
"""What is written into the picture, in the language of whoever ordered it. PURE."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_WORDS: Final[dict[str, dict[str, str]]] = {
    "zh-CN": {
        "derived": "合成视频 · 以封存的原始录音录像为准",
        "screen": "{name} 的共享屏幕",
        "left_out": "{from_time} – {to_time}（{length}）没有录音录像",
        "hours": "{n} 小时",
        "minutes": "{n} 分",
        "seconds": "{n} 秒",
        "loss": "数据丢失",
        "recorder_down": "录制程序中断",
        "mediaserver_down": "视频服务中断",
        "feed_overflow": "录制来不及接收",
        "disk_full": "磁盘已满",
        "paused": "录音录像暂停",
        "publisher_away": "对方连接中断",
        "off": "摄像头已关闭",
        "no_camera": "没有摄像头画面",
        "nothing": "没有声音和图像",
    },
    "en": {
        "derived": "Composite · the sealed recording is the original",
        "screen": "Screen of {name}",
        "left_out": "{from_time} – {to_time} ({length}) was not recorded",
        "hours": "{n} h ",
        "minutes": "{n} min ",
        "seconds": "{n} s",
        "loss": "Data lost",
        "recorder_down": "The recorder was down",
        "mediaserver_down": "The media server was down",
        "feed_overflow": "The recorder could not keep up",
        "disk_full": "The disk was full",
        "paused": "Recording paused",
        "publisher_away": "Connection lost",
        "off": "Camera off",
        "no_camera": "No camera",
        "nothing": "Neither sound nor picture",
    },
}
DEFAULT_LANGUAGE: Final = "zh-CN"


class Captions:
    """Words and times of one film. Times are the wall clock of `zone`, whose name stands beside them."""

    def __init__(self, language: str, zone: tzinfo, zone_name: str, origin_utc_ms: int) -> None:
        self._words = _WORDS.get(language, _WORDS[DEFAULT_LANGUAGE])
        self._zone = zone
        self._zone_name = zone_name
        self._origin_utc_ms = origin_utc_ms

    @property
    def derived(self) -> str:
        """What the film is, and what it is not."""
        return self._words["derived"]

    def clock(self, session_ms: float) -> str:
        """Date and time of day with the zone, to the second."""
        local = self._local(session_ms)
        offset = local.strftime("%z")
        return f"{local:%Y-%m-%d %H:%M:%S} {self._zone_name} (UTC{offset[:3]}:{offset[3:]})"

    def label(self, name: str, *, screen: bool) -> str:
        """What stands under a picture."""
        return self._words["screen"].format(name=name) if screen else name

    def note(self, cause: str) -> str:
        """Why there is no picture."""
        return self._words.get(cause, self._words["nothing"])

    def card(self, cause: str, from_ms: int, to_ms: int) -> tuple[str, str]:
        """Two lines: why nothing was recorded, and from when to when."""
        times = {"from_time": self._time(from_ms), "to_time": self._time(to_ms), "length": self._length(from_ms, to_ms)}
        return self.note(cause), self._words["left_out"].format(**times)

    def _local(self, session_ms: float) -> datetime:
        # Whole milliseconds: what stands in the picture must not depend on rounding of binary fractions.
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self._origin_utc_ms + round(session_ms))
        return at.astimezone(self._zone)

    def _time(self, session_ms: int) -> str:
        return f"{self._local(session_ms):%H:%M:%S}"

    def _length(self, from_ms: int, to_ms: int) -> str:
        seconds = round((to_ms - from_ms) / 1000)
        parts = (("hours", seconds // 3600), ("minutes", seconds // 60 % 60), ("seconds", seconds % 60))
        said = [self._words[word].format(n=n) for word, n in parts if n or (word == "seconds" and seconds < 60)]
        return "".join(said).strip()
