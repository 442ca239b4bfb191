# SPDX-License-Identifier: Apache-2.0
"""What people agree to before they are recorded, in both languages, with a version. PURE.

A consent row keeps the version. Never change a published text: add a new version and make it the current one.
The digests of the published versions are pinned in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One published version. `texts` by language tag."""

    version: str
    texts: dict[str, str]

    def text(self, language: str) -> str:
        """The text in that language, else in Chinese."""
        return self.texts.get(language, self.texts["zh-CN"])


_V1_ZH: Final = (
    "本次视频调解将同步录音录像，并由计算机把说话内容转写成文字。\n"
    "一、录什么：本次会话中每一路摄像头画面、麦克风声音、共享的屏幕，以及加入、离开、暂停的时间。\n"
    "二、为什么录：用于制作调解笔录、归入案卷、处理以后的异议，不作其他用途。\n"
    "三、谁能看：参加本次会话的民警、负责制作笔录的书记员和依法有权查阅的人；每次查看都有记录。\n"
    "四、存在哪里：存放在本县公安局自己的服务器上，加注完整性校验码，按案卷保管期限保存。\n"
    "五、您的权利：您可以不同意；同意后也可以随时撤回，撤回后立即暂停录制，已录的部分照常保存并注明。"
    "您有权查阅笔录并要求更正。\n"
    "我已听明白以上内容，同意录音录像。"
)
_V1_EN: Final = (
    "This video mediation is recorded in sound and picture, and a computer writes down what is said.\n"
    "1. What is recorded: the picture of each camera, the sound of each microphone and every shared screen in this "
    "session, with the times of joining, leaving and pausing.\n"
    "2. Why: to write the mediation record, to file it with the case and to settle later objections. For nothing "
    "else.\n"
    "3. Who may see it: the officers taking part, the clerk who writes the record, and those whom the law entitles. "
    "Every viewing is logged.\n"
    "4. Where it is kept: on the county bureau's own server, with an integrity code, for as long as the case file.\n"
    "5. Your rights: you may refuse. You may withdraw your consent at any time; recording then pauses at once, and "
    "what was recorded is kept with a note. You may read the record and ask for corrections.\n"
    "I have understood this and agree to being recorded."
)

CONSENT_TEXTS: Final[tuple[ConsentText, ...]] = (ConsentText("2026-11-24", {"zh-CN": _V1_ZH, "en": _V1_EN}),)
"""All published versions, oldest first."""

CURRENT: Final = CONSENT_TEXTS[-1]


def is_current(version: str) -> bool:
    """True when a consent given now may name this version."""
    return version == CURRENT.version
