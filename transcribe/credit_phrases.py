# SPDX-License-Identifier: Apache-2.0
"""Phrases that Whisper learned from film credits and video channels and writes on noise or silence. PURE data.

Kept in simplified script, without punctuation and in lower case, as `guards.plain` leaves a text.
Collected from the public issue trackers of Whisper front ends; add to the list, never shorten a phrase so far that
people could say it in a mediation (a lone "谢谢大家" or "同意" must never be here).
"""

from __future__ import annotations

CREDIT_PHRASES: tuple[str, ...] = (
    "请不吝点赞订阅转发打赏支持明镜与点点栏目",
    "点赞订阅转发打赏",
    "明镜与点点栏目",
    "明镜需要您的支持",
    "请订阅我的频道",
    "欢迎订阅我的频道",
    "欢迎订阅我们的频道",
    "订阅我的频道",
    "记得订阅点赞",
    "点赞和订阅",
    "感谢您的观看",
    "感谢大家的观看",
    "感谢观看",
    "谢谢您的观看",
    "谢谢大家观看",
    "谢谢观看",
    "谢谢收看",
    "多谢您的观看",
    "多谢您的收看",
    "我们下期再见",
    "下期视频再见",
    "字幕由amaraorg社区提供",
    "中文字幕志愿者",
    "字幕志愿者",
    "字幕制作",
    "字幕提供",
    "字幕组",
    "字幕by",
    "第四个字幕",
    "本字幕由",
    "翻译字幕",
    "优优独播剧场",
    "yoyotelevisionseriesexclusive",
    "词曲李宗盛",
    "作词作曲",
    "thankyouforwatching",
    "thanksforwatching",
    "pleasesubscribe",
    "subtitlesbytheamaraorgcommunity",
)
