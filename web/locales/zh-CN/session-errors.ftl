# SPDX-License-Identifier: Apache-2.0

# 会话、录制、转写相关错误代码的说明：哪里不对，怎么办。
error-session-not-found = 没有找到这次会话，或您无权查看，请返回会话列表。
error-session-ended = 这次会话已经结束，不能再进入或更改；如需继续，请新开一次会话。
error-consent-required = 本次会话正在录制，请先让 { $names } 同意录音录像，再进入。
error-consent-missing = 还不能录制：{ $names } 尚未同意录音录像，请先征得同意。
error-nobody-present = 房间里还没有人，请先进入房间，再开始录制。
error-recording-not-on = 录制还没有开始，不能暂停或继续。
error-attendee-not-found = 名单已有变化，没有找到这个人，请刷新页面后重试。
error-consent-text-changed = 告知内容已更新，请刷新页面，重新念给当事人听后再确认。
error-media-away = 视频服务正在重新启动，请等几秒后再试；一分钟后仍不行，请告诉技术人员。
error-recorder-away = 录制程序没有响应，现在不能录制，请等几秒后再试；如仍不行，请告诉技术人员。
error-disk-full = 服务器磁盘已满，不能开始录制，请马上告诉技术人员。
error-store-away = 录像存储暂时连不上，录像没有丢失，请稍后再试；如仍不行，请告诉技术人员。
error-store-refused = 录像存储拒绝了请求，请告诉技术人员检查存储的密钥和权限。
error-recording-not-ready = 录像还没有封存，封存后即可播放，请稍后再看。
error-record-missing = 存储里没有找到这份录像，请马上告诉技术人员，不要删除任何文件。
error-record-damaged = 这份录像与封存时不一致，不能播放，请马上告诉技术人员，不要删除任何文件。
error-transcript-not-ready = 转写还没有完成，请等完成后再下载。
error-transcript-under-way = 转写正在进行，请等它完成。
error-composite-not-ready = 合成视频还没有做好，请等完成后再下载。
error-composite-under-way = 合成视频正在制作，请等它完成，或先取消。
error-composite-ready = 合成视频已经做好，可以直接下载。
error-composite-not-under-way = 没有正在制作的合成视频，请刷新页面。
error-overview-not-ready = 波形和缩略图还没有做好，不影响播放。
error-too-many-pages = 打开的页面太多，请关掉不用的页面，稍后再试。
error-websocket-expected = 这个地址只供会话页面使用，请从会话页面进入房间。
error-session-locked = 主持人已锁定会话，现在不能加入；请联系主持人解锁后再试。
error-removed-from-session = 主持人已将您移出这次会话；如需再次加入，请联系主持人允许。
error-entry-denied = 主持人没有同意您加入这次会话；如有需要，请联系主持人允许后再试。
error-not-host = 只有主持人可以这样做；如有需要，请举手或联系主持人。
error-host-present = 主持人还在会话里，不能接手；请由主持人移交。
error-peer-needed = 请先选择要操作的人。
error-peer-not-found = 这次会话里没有这个人，请刷新页面后重试。
error-peer-not-in-room = 这个人现在不在会话里，请等其加入后再试。
error-not-oneself = 不能对自己这样做；要退出请点“离开”。
error-room-not-running = 会话还没有开始，房间里没有人；请先加入会话。
