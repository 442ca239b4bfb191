# SPDX-License-Identifier: Apache-2.0
# The call: before, during, after.
call-title = 视频会话
call-room = 会话中
call-back = 返回

## Before joining
call-present = 已在会话中：{ $names }
call-own-picture = 本机画面
call-camera = 摄像头
call-microphone = 麦克风
call-speaker = 扬声器
call-device-default = 系统默认
call-camera-off = 摄像头未打开
call-camera-opening = 正在打开摄像头…
call-level = 麦克风音量
call-say-something = 请说话试音
call-original-sound = 原声
call-original-sound-hint = 不做回声、噪声和音量处理。使用会议话筒或外接声卡时打开。
call-mic = 麦克风
call-cam = 摄像头
call-mic-turn-on = 打开麦克风
call-mic-turn-off = 关闭麦克风
call-cam-turn-on = 打开摄像头
call-cam-turn-off = 关闭摄像头
call-join = 加入会话
call-join-without-camera = 不开摄像头加入
call-join-without-microphone = 不开麦克风加入
call-join-watching = 只看只听加入
call-open-ca = 安装证书

## What is wrong with a device
call-fault-insecure = 这个页面不是安全连接，浏览器不允许使用摄像头和麦克风。请按说明安装本系统的证书，再用 https 地址打开。
call-fault-cam-refused = 摄像头被禁止使用。请点击地址栏左边的图标，允许使用摄像头，然后点重试。
call-fault-cam-none = 没有找到摄像头。请插好摄像头后点重试。
call-fault-cam-busy = 摄像头被其他程序占用。请关闭该程序后点重试。
call-fault-cam-unsuited = 所选的摄像头不能用。请选择另一个，或点重试。
call-fault-cam-ended = 摄像头断开了。请重新插好后点重试。
call-fault-cam-unknown = 摄像头打不开。请点重试；如仍不行，请把详情告诉技术员。
call-fault-mic-refused = 麦克风被禁止使用。请点击地址栏左边的图标，允许使用麦克风，然后点重试。
call-fault-mic-none = 没有找到麦克风。请插好麦克风后点重试。
call-fault-mic-busy = 麦克风被其他程序占用。请关闭该程序后点重试。
call-fault-mic-unsuited = 所选的麦克风不能用。请选择另一个，或点重试。
call-fault-mic-ended = 麦克风断开了。请重新插好后点重试。
call-fault-mic-unknown = 麦克风打不开。请点重试；如仍不行，请把详情告诉技术员。

## Who is here and what they agreed to
call-people-here = 本端在场人员
call-people-elsewhere = 其他地点
call-people-nobody = 请写下坐在这个摄像头前的每一个人。
call-person-name = 姓名
call-person-kind = 身份
call-person-add = 添加
call-person-remove = 移除{ $name }
call-consent-of = { $name }已听明白并同意录音录像
call-tick-to-agree = 读给本人听，同意后打钩
call-agreed-at = { $time } 同意录音录像
call-not-agreed = 未同意录音录像
call-word-agreed = 已同意
call-word-not-agreed = 未同意
call-nobody-listed = 尚未登记在场人员
call-withdraw-ask = 撤回{ $name }的同意后，录制立即暂停，已录的部分照常保存并注明。
call-withdraw = 撤回同意
call-consent-title = 录音录像告知书（版本 { $version }）
call-all-agreed = 本端在场人员都已同意录音录像。
call-consent-later = 现在可以加入；在场每个人都同意后才能开始录制。
call-consent-before-join = 这次会话有录制：本端每个人都同意后才能加入。
call-consent-count = { $people } 人中 { $agreed } 人已同意
attendee-kind-officer = 民警
attendee-kind-mediator = 调解员
attendee-kind-party = 当事人
attendee-kind-companion = 陪同人
attendee-kind-village-cadre = 村干部
attendee-kind-witness = 见证人
attendee-kind-guardian = 监护人
attendee-kind-interpreter = 翻译
attendee-kind-other = 其他

## The recording
call-rec-off = 未录制
call-rec-on = 正在录音录像 自 { $time }
call-rec-paused = 录制已暂停 自 { $time }（{ $reason }）
call-rec-stopped = 录制已结束，正在整理
call-rec-uploading = 正在上传录像
call-rec-sealed = 录像已封存
call-rec-error = 录制出错，请告诉技术员
call-rec-start = 开始录制
call-rec-pause = 暂停
call-rec-pause-ask = 为什么暂停录制？原因会随录音录像一并封存。
call-rec-pause-own = 其他原因
call-rec-pause-unsaid = 不写原因，直接暂停
call-rec-pause-cancel = 不暂停
call-rec-resume = 继续录制
call-pause-by-hand = 人工暂停
call-uploaded-to = 已上传到 { $time }
call-warning-store-away = 存储服务器暂时连不上。录像先存在本机，不会丢失，恢复后自动上传（待传 { $waiting } 段）。
call-warning-disk-low = 服务器磁盘空间不多了，请告诉技术员。录制不受影响。
call-warning-disk-full = 服务器磁盘已满，录制不能继续。请立即告诉技术员。
call-warning-disk-failed = 服务器磁盘还有空间，但录像写不进去，录制已停住。请立即告诉技术员。
call-warning-recorder-away = 录制程序没有响应，正在自动重启。请稍候；如一分钟后仍是这样，请告诉技术员。

## Markers and sections of the record
call-mark = 标记
call-mark-hint = 标记这一刻，回看时可以直接跳到这里
call-marked = 已标记 { $time }
call-marked-as = 已标记 { $time }：{ $label }
call-mark-name = 标记内容
call-mark-name-save = 写上
call-mark-undo = 撤销
call-mark-word-statement = 重要陈述
call-mark-word-evidence = 出示证据
call-mark-word-dispute = 争议焦点
call-mark-word-agreed = 双方同意
call-marks = 分段与标记
call-mark-remove = 删除
call-mark-remove-of = 删除“{ $label }”
call-mark-plain = 标记 { $n }
call-section-now = 当前：{ $label }
call-section-begin = 开始一段
call-section-begin-hint = 新的一段开始，上一段随之结束
call-section-own = 其他名称
call-section-start = 开始
call-section-end = 结束本段
call-section-word-opening = 宣布开始
call-section-word-statements = 听取陈述
call-section-word-mediation = 调解
call-section-word-agreement = 宣读协议
call-section-word-signing = 签字

## The pictures
call-pictures = 画面
call-picture-of = { $name }的画面
call-screen-of = { $name }的屏幕
call-me = { $name }（我）
call-pin = 放大
call-unpin = 取消固定
call-alone = 正在等其他人加入
call-peer-reconnecting = 正在重连
call-tile-camera-off = 摄像头已关闭
call-tile-no-picture = 没有画面
call-frozen = 画面停在 { $seconds } 秒前

## Connection
call-connecting = 正在连接…
call-connected = 已连接
call-reconnecting = 正在重连 { $seconds } 秒
call-quality-good = 连接良好
call-quality-fair = 连接一般
call-quality-poor = 连接较差
call-quality-figures = 延迟 { $rtt } 毫秒 · 上行 { $up } kb/s · 下行 { $down } kb/s · 丢包 { $lost }
call-sending-size = 正在发送 { $width }×{ $height }，每秒 { $fps } 帧
call-cpu-limited = 这台电脑较忙，画面已自动调小。
call-sound-blocked = 浏览器还没有播放声音。
call-sound-on = 打开声音
call-media-blocked = 网络不让声音和画面通过。请技术员在防火墙上开放 README 中列出的媒体端口（UDP 和 TCP）。

## Controls
call-controls = 操作
call-panel-people = 人员与同意
call-panel-devices = 设备
call-fullscreen = 全屏
call-share = 共享屏幕
call-share-stop = 停止共享
call-leave = 离开
call-end = 结束会话
call-end-ask = 结束后所有人都会退出，这次会话不能再继续。
call-end-ask-recorded = 结束后所有人都会退出，录音录像随即封存，这次会话不能再继续。
call-end-cancel = 不结束
call-end-confirm = 结束并让所有人退出

## Afterwards
call-after-left = 您已离开会话
call-after-closed = 会话已结束
call-after-replaced = 您已在另一个窗口加入这次会话
call-after-removed = 您已被移出会话
call-after-refused = 不能加入这次会话
call-after-protocol = 系统刚刚更新过，请重新载入页面。
call-after-length = 时长 { $length }
call-after-waiting = 还有 { $count } 段录像在上传，不需要等待，会自动完成。
call-after-open = 查看录像和笔录
call-after-rejoin = 重新加入
call-after-here = 在这里继续
call-after-removed-why = 主持人把您移出了会话；主持人允许后才能再加入。
call-after-denied = 主持人没有同意您加入
call-after-denied-why = 如果确实需要参加，请联系主持人允许后再试。
call-after-full = 等候的人太多
call-after-full-why = 等候加入的人已满，请过几分钟再试，或联系主持人。

## Waiting to be let in
call-waiting-title = 等待主持人同意您加入
call-waiting-host-here = 主持人已看到您的请求，请稍候
call-waiting-host-away = 主持人还没有到，请稍候；主持人到后会看到您的请求
call-waiting-hint = 同意后自动进入，不需要再操作。现在别人看不到您的画面，也听不到您的声音，等候时不录制。
call-waiting-leave = 不等了

## The host and the others
call-host = 主持人
call-host-desk = 主持
call-host-is = 主持人：{ $name }
call-host-away = 主持人不在会话中
call-take-over = 由我主持
call-is-locked = 会话已锁定，新来的人不能加入
call-lock = 锁定会话
call-lock-hint = 新来的人不能加入；参加过的人掉线后可以回来
call-waiting-room = 加入前等候
call-waiting-room-hint = 新来的人先等候，您同意后才进来
call-mute-all = 全部静音
call-knock-one = { $name }（{ $place }）请求加入
call-knock-many = { $count } 人请求加入
call-knock-show = 查看
call-knocking = 等候加入
call-admit = 同意加入
call-admit-name = 同意{ $name }加入
call-deny = 不同意
call-deny-name = 不同意{ $name }加入
call-kept-out = 不能加入的人
call-out-removed = 已移出
call-out-denied = 未同意加入
call-allow = 允许加入
call-allow-name = 允许{ $name }加入
call-hands = 举手
call-hand-raise = 举手
call-hand-lower = 放下手
call-hand-lower-name = 放下{ $name }的手
call-hand-place = 举手 第 { $place } 位
call-hand-mine = 您已举手，排在第 { $place } 位
call-on-stage = 在主画面
call-spotlight-off = 取消主画面
call-muted-by = 被{ $name }静音
call-muted-mic = { $name }关闭了您的麦克风。要说话时请打开。
call-muted-cam = { $name }关闭了您的摄像头。需要时请打开。
call-muted-screen = { $name }停止了您的屏幕共享。
call-unmute-asked-mic = { $name }请您打开麦克风。
call-unmute-asked-cam = { $name }请您打开摄像头。
call-unmute-asked-screen = { $name }请您共享屏幕。
call-appeal-not-now = 暂不
call-menu-of = 对{ $name }的操作
call-menu-mute = 静音
call-menu-ask-unmute = 请打开麦克风
call-menu-cam-off = 关闭摄像头
call-menu-ask-cam = 请打开摄像头
call-menu-screen-off = 停止屏幕共享
call-menu-spotlight = 对所有人放到主画面
call-menu-host = 移交主持
call-menu-host-ask = 移交后由{ $name }主持，您不再能锁定会话、静音或移出他人。
call-menu-remove = 移出会话
call-menu-remove-ask = 移出后{ $name }不能再加入，除非您在“不能加入的人”里允许。
