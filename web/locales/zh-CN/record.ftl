# SPDX-License-Identifier: Apache-2.0
# The record: player, transcript, downloads.
record-back = 会话列表
record-join = 加入会话
record-people = { $count } 人
record-people-all-agreed = 均已同意录音录像
record-people-missing = { $names } 未同意
record-nobody = 没有登记人员
record-agreed = { $time } 同意录音录像
record-withdrawn = { $time } 不同意
record-not-asked = 未征求意见
record-length = 时长 { $length }
record-updates-away = 与服务器的连接断开，正在重新连接。页面上的进度可能不是最新的。

# State of the recording
record-state-off = 没有录音录像
record-state-on = 正在录音录像
record-state-paused = 录音录像已暂停
record-state-stopped = 录音录像已停止，正在收尾
record-state-uploading = 录音录像已停止，正在存入
record-state-sealed = 录音录像已封存
record-state-expired = { $date } 保存期满，录音录像已销毁
record-state-error = 录音录像出错
record-recorded-to = 已录到 { $recorded }
record-progress = 已录到 { $recorded }，已上传到 { $uploaded }
record-waiting = 还有 { $count } 个文件（{ $size }）等待上传
record-warning-store-away = 存储暂时连不上。录像先保存在本机，恢复后会自动上传，不会丢失。
record-warning-disk-full = 本机磁盘已满，无法继续录像。请立即通知技术员清理磁盘。
record-warning-disk-failed = 录像无法写入本机磁盘（空间足够）。请立即通知技术员。
record-warning-disk-low = 本机磁盘空间不足。请通知技术员清理磁盘。
record-warning-recorder-away = 录像程序没有响应，正在自动重启。若一分钟后仍有此提示，请通知技术员。
record-error-lead = 录像文件没有全部封存。已存入的部分仍然安全，请通知技术员。
record-wait = 会话结束、录像封存之后，可在这里播放和阅读。
record-sealing = 录像封存之后即可播放，通常不到一分钟。
record-expired-lead = 录音录像保存期满，已按规定销毁，不能再播放。会话本身的登记和使用记录仍然保留。

# The certificate
record-complete = 完整
record-complete-lead = 从 { $from } 到 { $to }，录音录像没有缺失。
record-complete-print = { record-complete }。{ record-complete-lead }
record-with-gaps = { $count } 处缺失
record-with-gaps-lead = 从 { $from } 到 { $to }，录音录像有 { $count } 处缺失，共 { $length }。
record-interruptions = 其间有 { $count } 次暂停或离席，不算缺失。
record-certificate = 完整性说明（入卷用）
record-certificate-docx = Word 文档
record-certificate-txt = 纯文本
record-code = 完整性校验码
record-code-hint = 这个码代表封存的录音录像。请抄写或打印在协议书上，以后可用 videohome verify 核对。
record-key = 数字签名公钥 { $key }
record-key-hint = 凭此公钥可用 videohome verify 核验，录像和清单未被改动。
record-gaps = 缺失与中断
record-gap-all = 全部
record-gap-sound = { $name } 的声音
record-gap-picture = { $name } 的画面
record-gap-screen = { $name } 的屏幕
record-gap-packets = { $count } 个数据包
record-gaps-more = 显示全部 { $count } 处
record-cause-loss = 网络丢包
record-cause-recorder-down = 录像程序中断
record-cause-mediaserver-down = 媒体服务中断
record-cause-feed-overflow = 录像程序来不及接收
record-cause-disk-full = 磁盘已满
record-cause-paused = 录音录像暂停
record-cause-paused-because = 录音录像暂停：{ $reason }
record-cause-publisher-away = 对方离席或断线

# The player
player-label = 录像播放
player-play = 播放
player-pause = 暂停
player-back = 后退 5 秒
player-forward = 前进 5 秒
player-frame-back = 上一帧（,）
player-frame-forward = 下一帧（.）
player-speed = 速度
player-position = 播放位置
player-clock = 当时 { $clock }
player-refused = 浏览器要求先点一下才能出声。请点播放。
player-unsupported = 这个浏览器不能播放录像。请使用新版 Chrome、Edge 或 Firefox。
player-people = 各人声音
player-volume = { $name } 的音量
player-mute = 静音
player-muted = 已静音
player-solo = 只听
player-full-screen = 全屏看 { $name }
player-skip = 跳到 { $clock } 继续
player-no-picture = 没有画面
player-loading = 正在载入
player-trouble = 载入遇到困难，正在重试
player-absent-before = 尚未加入
player-absent-after = 已离开
player-absent-nothing = 此刻没有录到
player-screen = { $name } 的屏幕
player-keys = 空格 播放或暂停 · ←→ 5 秒 · , . 逐帧 · ↑↓ 选行 · 回车 播放该行 · / 查找
player-event-peer-joined = { $name } 加入
player-event-peer-left = { $name } 离开
player-event-source-off = { $name } { $source ->
    [mic] 关了话筒
    [cam] 关了摄像头
   *[other] 停了共享
}
player-event-source-on = { $name } { $source ->
    [mic] 开了话筒
    [cam] 开了摄像头
   *[other] 又共享了
}
player-event-muted = { $name } 被主持人静音
player-event-unmuted = { $name } 恢复发言
player-event-removed = { $name } 被主持人移出
player-event-admitted = 主持人同意 { $name } 加入
player-event-denied = 主持人未同意 { $name } 加入
player-event-host-changed = { $name } 开始主持
player-event-locked = 会话锁定
player-event-unlocked = 会话解除锁定
player-event-hand-raised = { $name } 举手
player-event-recording-started = 开始录音录像
player-event-recording-paused = 暂停
player-event-recording-paused-because = 暂停：{ $reason }
player-event-recording-resumed = 继续
player-event-recording-resumed-because = 恢复：{ $reason }
player-event-recording-stopped = 停止
player-event-caucus-started = 背靠背谈话开始
player-event-caucus-ended = 背靠背谈话结束
player-contents = 分段与标记
player-marker = 标记 { $n }
player-go-to = 跳到 { $time } { $label }
player-event-consent-given = { $name } 同意录音录像
player-event-consent-withdrawn = { $name } 撤回同意

# The transcript
lines = 笔录
lines-none = 没有笔录
lines-none-lead = 这次会话没有录音录像，因此没有笔录。
lines-expired = 笔录已随录像销毁
lines-expired-lead = 保存期满后，笔录与录音录像一起按规定销毁。销毁前下载或打印的文件不受影响。
lines-later = 笔录还没有
lines-later-lead = 录像封存之后自动开始转写，写好后会出现在这里。
lines-queued = 排队等待转写
lines-queued-lead = 前面还有其他会话，轮到时自动开始，不必守在这里。
lines-running = 正在转写
lines-running-lead = 大约需要录音长度的一半时间，写好后会自动出现在这里。
lines-step-preparing = 准备
lines-step-decoding = 读取录音
lines-step-recognising = 识别语音
lines-step-writing = 整理成行
lines-done = 转写完成
lines-failed = 转写失败
lines-retry = 重新转写
lines-retried = 已重新排队
lines-machine = 机器转写，未经人工校对。引用前请对照录音。
lines-model = 语音模型 { $model }
lines-empty = 没有听到讲话
lines-empty-lead = 录音里没有可以辨认的讲话。可以播放录像核对；若确有讲话，请重新转写。
lines-lines = { $count } 行
lines-search = 在笔录中查找
lines-search-count = 第 { $at } 处，共 { $count } 处
lines-search-none = 没有找到
lines-search-next = 下一处
lines-search-previous = 上一处
lines-follow = 回到正在播放的行
lines-copy-line = 复制这一行
lines-play-line = 从 { $time } 播放
lines-download = 下载
lines-docx = Word
lines-srt = 字幕 SRT
lines-json = 数据 JSON
lines-fault-model-missing = 没有安装语音模型。请技术员用 videohome models 安装，然后重新转写。
lines-fault-model-damaged = 语音模型文件损坏。请技术员重新安装模型，然后重新转写。
lines-fault-model-incomplete = 语音模型文件不全。请技术员重新安装模型，然后重新转写。
lines-fault-model-english-only = 所装的语音模型只懂英语。请技术员换用多语言模型，然后重新转写。
lines-fault-manifest-missing = 存储里找不到录像清单。请通知技术员。
lines-fault-manifest-invalid = 录像清单无法读取。请通知技术员。
lines-fault-segment-missing = 存储里缺少一段录音。请通知技术员，恢复后重新转写。
lines-fault-segment-damaged = 一段录音与封存时不一致。请立即通知技术员。
lines-fault-segment-unreadable = 一段录音无法解码。请通知技术员。
lines-fault-no-audio = 这次会话没有录到声音，因此没有笔录。
lines-fault-store-unavailable = 存储连不上。等存储恢复后点重新转写。
lines-fault-store-refused = 存储拒绝访问。请技术员检查存储设置，然后重新转写。
lines-fault-recording-key-missing = 录像已加密，服务器上没有能打开它的密钥。请技术员从备份恢复 secrets/recording.key，然后重新转写。
lines-fault-engine-failed = 语音识别程序异常退出，可能是内存不足。请重新转写；若再次失败，请通知技术员。
lines-fault-internal = 转写出了意外的问题。请重新转写；若再次失败，请把代码 { $code } 告诉技术员。
lines-flag = 存疑
lines-flag-loop = 同一句话反复出现，可能是识别错误。
lines-flag-credit = 像影视字幕里的套话，可能没有人说过。
lines-flag-prompt = 像给识别程序的提示语，可能没有人说过。
lines-flag-glossary = 只有词表里的词，可能没有人说过。
lines-flag-rate = 字数比人能说的快，可能有误。
lines-flag-echo = 另一路声音里同时有同样的话，可能是串音。
lines-flag-unsure = 声音不清，识别没有把握。

print-title = 会话笔录
print-date = 时间
print-place = 地点
print-people = 在场人员
print-record = 录音录像
print-made = 打印于 { $time }
