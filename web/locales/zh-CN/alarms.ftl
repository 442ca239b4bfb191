# SPDX-License-Identifier: Apache-2.0
# 提醒：此刻摄像头或麦克风出了什么问题。
alarm-own-mic-silent = 您的麦克风没有声音，别人听不到您说话。请检查麦克风的开关和插头，或在“设备”里换一个麦克风。
alarm-own-mic-clipping = 您的麦克风声音太大，已经失真。请离麦克风远一点，或在电脑的声音设置里调小。
alarm-own-cam-black = 您的摄像头画面是黑的。请打开镜头盖、开灯，或在“设备”里换一个摄像头。
alarm-own-mic-stalled = 您的声音此刻没有送到服务器。请稍候；如一直这样，请把麦克风关掉再打开。
alarm-own-cam-stalled = 您的画面此刻没有送到服务器。请稍候；如一直这样，请把摄像头关掉再打开。
alarm-own-screen-stalled = 您共享的屏幕此刻没有送到服务器。如一直这样，请重新共享。
alarm-own-screen-audio-stalled = 您共享屏幕的声音此刻没有送到服务器。如一直这样，请重新共享。
alarm-other-mic-silent = { $name } 的麦克风没有声音。请提醒对方检查麦克风的开关和插头。
alarm-other-mic-clipping = { $name } 的麦克风声音太大，已经失真。请提醒对方离麦克风远一点。
alarm-other-cam-black = { $name } 的摄像头画面是黑的。请提醒对方打开镜头盖、开灯。
alarm-other-mic-stalled = 此刻收不到 { $name } 的声音。
alarm-other-cam-stalled = 此刻收不到 { $name } 的画面。
alarm-other-screen-stalled = 此刻收不到 { $name } 共享的屏幕。
alarm-other-screen-audio-stalled = 此刻收不到 { $name } 共享屏幕的声音。
alarm-others = 此刻有 { $count } 路声音或画面不正常：{ $names }。请提醒他们检查麦克风和摄像头。
alarm-names-between = 、
alarm-names-more = 另有 { $count } 处

# 每路画面和声音的实时状态（主持一方的“设备”面板）。
tracks-title = 每路画面和声音的状态
tracks-waiting = 正在询问服务器……
tracks-none = 现在还没有人发送画面或声音。
tracks-who = 哪一方
tracks-what = 内容
tracks-state = 状态
tracks-bytes = 已收到
tracks-last = 最后收到
tracks-level = 音量
tracks-sealed = 已保存到
tracks-uploaded = 已上传到
tracks-source-mic = 声音
tracks-source-cam = 画面
tracks-source-screen = 屏幕
tracks-source-screen-audio = 屏幕声音
tracks-on = 正常
tracks-off = 已关闭
tracks-ended = 已结束
tracks-track-stalled = 收不到
tracks-camera-black = 黑屏
tracks-mic-silent = 没有声音
tracks-mic-clipping = 声音太大
