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
