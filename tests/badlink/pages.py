# SPDX-License-Identifier: Apache-2.0
"""What runs inside the two pages: when each numbered picture was taken and when it was shown, and getStats."""

from __future__ import annotations

from tests.badlink.camera import READ_NUMBER_JS

WATCH_CAMERA_JS = f"""
() => {{
  {READ_NUMBER_JS}
  window.taken = [];
  let ahead = Infinity; // of this page's clock before the camera's, when a frame comes without waiting
  const frames = new MediaStreamTrackProcessor({{ track: engine.view().local.cam.track }}).readable.getReader();
  const step = async () => {{
    for (;;) {{
      const {{ value: frame, done }} = await frames.read();
      if (done) return;
      const at = frame.timestamp / 1000;
      ahead = Math.min(ahead, performance.timeOrigin + performance.now() - at);
      taken.push([at, await readNumber(frame)]);
      window.ahead = ahead;
    }}
  }};
  void step();
}}
"""
"""Publisher: fills `taken` with [ms of the camera's clock, number]; `ahead` makes that ms since 1970."""

WATCH_PICTURE_JS = f"""
(id) => {{
  {READ_NUMBER_JS}
  const video = document.getElementById(id);
  window.shown = [];
  const step = (now, facts) => {{
    const row = [performance.timeOrigin + facts.presentationTime, -1, facts.height];
    shown.push(row);
    void readNumber(new VideoFrame(video)).then((number) => (row[1] = number));
    video.requestVideoFrameCallback(step);
  }};
  video.requestVideoFrameCallback(step);
}}
"""
"""Viewer: fills `shown` with [ms since 1970, number, height]."""

STATISTICS_JS = """
async () => {
  const { sent, received } = await engine.browserStatistics();
  const pick = (rows, type) => rows.filter((row) => row.type === type);
  return {
    at: performance.timeOrigin + performance.now(),
    inbound: pick(received, 'inbound-rtp'),
    outbound: pick(sent, 'outbound-rtp'),
    remote: pick(sent, 'remote-inbound-rtp'),
    pair: pick(sent, 'candidate-pair').filter((row) => row.nominated),
  };
}
"""
"""Either page: the rows of getStats that figures are made of."""
