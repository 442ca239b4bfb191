# SPDX-License-Identifier: Apache-2.0
"""A file as Chromium reads it, without any page of ours."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.acceptance.machine import CHROMIUM

LENGTH_JS = """([data, kind]) => new Promise((found) => {
  const media = document.createElement('video');
  media.muted = true;
  const fail = () => found({ error: media.error?.message ?? 'no answer' });
  media.onerror = fail;
  setTimeout(fail, 20_000);
  media.onloadedmetadata = () => {
    // A file that may still grow says no length; its end is known once it was looked for.
    media.onseeked = () => {
      const last = media.buffered.length - 1;
      found({ start_s: media.buffered.start(0), end_s: media.duration, width: media.videoWidth, ranges: last + 1 });
    };
    media.currentTime = 1e6;
  };
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  media.src = URL.createObjectURL(new Blob([bytes], { type: kind }));
})"""


@asynccontextmanager
async def chromium_page() -> AsyncIterator[Page]:
    """An empty page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield await browser.new_page()
        await browser.close()


async def read_by_chromium(page: Page, path: Path, kind: str) -> dict[str, Any]:
    """`end_s` and `width` of its picture (0 without one), found by looking for its end; `error` where it cannot."""
    found: dict[str, Any] = await page.evaluate(LENGTH_JS, [base64.b64encode(path.read_bytes()).decode(), kind])
    return found
