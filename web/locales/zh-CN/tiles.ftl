# SPDX-License-Identifier: Apache-2.0
# Many pictures in a call: pages, the mark of each, and what a weak link changes.

## Pages
tiles-to-grid = 所有画面一样大
tiles-to-stage = 一个大画面
tiles-pages = 画面分页
tiles-next = 下一页
tiles-previous = 上一页
tiles-page = 第 { $page } 页，共 { $pages } 页 · { $all } 个画面

## One tile
tile-pin-of = { $word }：{ $name }
tile-note-no-room = 网络带宽不足，画面暂停
tile-note-stalled = 画面中断，正在恢复
tile-note-reduced = 网络较差，画面已调小

## The mark of a tile, in words
tile-badge-of = { $name }：{ $verdict }
tile-badge-good = 画面和声音正常
tile-badge-fair = 网络一般，偶有影响
tile-badge-poor = 网络较差，影响画面或声音
tile-badge-unknown = 还没有测到数据
tile-badge-up-good = 本机发送正常
tile-badge-up-fair = 本机网络一般，对方看到的画面偶有影响
tile-badge-up-poor = 本机网络较差，对方可能看不清、听不清
tile-badge-up-unknown = 还没有测到数据
tile-why-stalled = 对方的画面没有送到服务器，正在重新请求。
tile-why-frozen = 画面在最近 10 秒内停顿过。
tile-why-words = 有的话没有听全，声音经过修补。
tile-why-bandwidth = 网络带宽不足，画面已调小或暂停。
tile-why-lost = 有数据在路上丢失，正在重传。
tile-why-slow = 延迟较大，说话请等对方说完。
tile-figure-lost = 丢包
tile-figure-delay = 往返延迟
tile-figure-ms = { $ms } 毫秒
tile-figure-rate = 码率
tile-figure-picture = 画面
tile-figure-size = { $width }×{ $height }，每秒 { $fps } 帧
tile-figure-frozen = 最近 10 秒停顿
tile-figure-frozen-times = { $times } 次，{ $seconds } 秒
tile-figure-layers = 发送的清晰度
tile-figure-of = { $on } 层，共 { $all } 层

## Small pictures, or sound only
saving-title = 画面与流量
saving-auto = 自动（推荐）
saving-normal = 完整画面
saving-low = 省流量
saving-audio = 只用语音
saving-low-hint = 省流量：所有画面都用最小的一档。点这里更改。
saving-audio-hint = 只用语音：不显示画面。点这里更改。
saving-auto-low = 网络较差，已自动换成小画面，声音优先。网络好转后自动恢复。
saving-auto-audio = 网络很差，已暂停显示画面，只保留声音。网络好转后自动恢复。
saving-back = 恢复完整画面
saving-read = 知道了
saving-offer-low = 网络较差，画面卡顿。改为省流量会更稳。
saving-offer-audio = 网络很差，声音断续。改为只用语音会听得更清楚。
saving-not-now = 暂时不用
saving-cap = 接收画面的流量上限
saving-cap-none = 不限
saving-cap-kbps = { $kbps } kb/s
saving-codec = 发送画面的编码
saving-codec-auto = 自动（推荐）
saving-codec-vp8 = VP8
saving-codec-h264 = H.264（适合有硬件编码的电脑）

## A shared screen
sharing-now = 正在共享屏幕
sharing-what = 共享的内容
sharing-detail = 文字图表，清晰优先
sharing-motion = 里面有视频，流畅优先
