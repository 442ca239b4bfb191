# SPDX-License-Identifier: Apache-2.0
# The composite video
composite = 合成视频
composite-order = 制作合成视频
composite-lead = 把所有人的画面和声音合成一个 MP4 文件，画面上有时间和姓名。在后台制作，不影响通话。
composite-queued = 合成视频排队等待
composite-running = 正在制作合成视频
composite-cancel = 取消制作
composite-download = 下载合成视频
composite-size = MP4，{ $size }。以封存的原始录音录像为准。
composite-again = 重新制作
composite-fault-manifest-missing = 存储里找不到录像清单，无法制作合成视频。请通知技术员。
composite-fault-manifest-invalid = 录像清单无法读取，无法制作合成视频。请通知技术员。
composite-fault-segment-missing = 存储里缺少一段录像，无法制作合成视频。请通知技术员。
composite-fault-segment-damaged = 一段录像与封存时不一致，没有制作合成视频。请立即通知技术员。
composite-fault-segment-unreadable = 一段录像无法解码，无法制作合成视频。请通知技术员。
composite-fault-nothing-recorded = 这次会话没有录到画面和声音，无法制作合成视频。
composite-fault-disk-full = 服务器磁盘空间不足，没有制作合成视频。请技术员清理磁盘，然后重新制作。
composite-fault-store-unavailable = 存储连不上。等存储恢复后点重新制作，已做好的部分会保留。
composite-fault-store-refused = 存储拒绝访问。请技术员检查存储设置，然后重新制作。
composite-fault-recording-key-missing = 录像已加密，服务器上没有能打开它的密钥。请技术员从备份恢复 secrets/recording.key，然后重新制作。
composite-fault-maker-failed = 合成程序异常退出，可能是内存不足。请重新制作；若再次失败，请通知技术员。
composite-fault-internal = 制作合成视频时出了意外的问题。请重新制作；若再次失败，请把代码 { $code } 告诉技术员。
