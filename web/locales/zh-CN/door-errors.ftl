# SPDX-License-Identifier: Apache-2.0

## 通过 WHIP 或 WHEP 接入的设备
error-door-token-invalid = 接入令牌缺失、有误或已过期。请在会话页面为该设备新开一个接入口。
error-door-token-elsewhere = 该令牌属于另一个会话或另一种接入口。请检查地址。
error-door-closed = 该接入口已被关闭。如仍需接入，请新开一个。
error-door-not-found = 没有这个接入口。请刷新列表。
error-too-many-doors = 一个会话最多同时开 { $max } 个接入口。请先关闭一个。
error-sdp-expected = 请求须携带会话描述（application/sdp），PATCH 须携带 trickle 片段。
error-sdp-invalid = 无法读懂会话描述。{ $reason }
error-sdp-too-large = 会话描述过大（上限 64 KB）。
error-offer-unsupported = 无法接受该请求的媒体。{ $reason }
error-not-published = 目前还没有可观看的内容。请在 { $retry_after_s } 秒后重试。
error-visit-not-found = 该连接已结束。请重新连接。
error-if-match-missing = PATCH 须用 If-Match 说明针对哪个状态。
error-if-match-failed = 连接状态已变化。请使用最新的 ETag。
error-too-many-visits = 接入的设备过多。请在 { $retry_after_s } 秒后重试。
