# SPDX-License-Identifier: Apache-2.0
# Home pages and the list of sessions; the words for a session's, a recording's and a transcript's state.
insecure = 浏览器只在受信任的 HTTPS 页面上开放摄像头和麦克风，当前页面无法通话。请先安装根证书，再用 https 地址打开。
insecure-action = 安装根证书
live-interrupted = 实时更新中断，正在重连…

camera-there = 摄像头已连接
camera-missing = 没有找到摄像头，请检查连线
microphone-there = 麦克风已连接
microphone-missing = 没有找到麦克风，请检查连线
hero-running = 正在进行
hero-ready = 已准备好
hero-none = 现在没有进行中的会话
hero-none-lead = 点“开始”后先检查摄像头和麦克风，征得在场各方同意后才会录音录像。
start-session = 开始
enter-session = 进入
join-session = 加入
new-session = 新建会话
new-session-other = 另开一个会话
new-session-create = 新建并进入
new-session-default = 视频调解 { $when }
session-title = 标题
session-title-hint = 例如：张家与李家的宅基地纠纷。以后按标题和参加人查找。
session-language = 主要说什么语言
session-language-hint = 转写文字时使用；方言请选普通话。
spoken-zh = 普通话
spoken-en = 英语

headquarters-title = 县局席位
headquarters-lead = { $running } 个正在进行，{ $open } 个待开始
headquarters-none = 现在没有等待或进行中的会话
headquarters-none-lead = 派出所一开始会话，这里马上就会出现，不必刷新。
clerk-title = 最近的会话
clerk-lead = { $ready } 个文字已完成，{ $working } 个正在转写
clerk-none = 还没有会话
clerk-none-lead = 会话结束后会出现在这里，录像封存和文字转写的进度实时显示。
today = 今天
today-none = 今天还没有结束的会话
today-none-lead = 会话结束后可以在这里看到录制和转写的进度。
all-sessions = 全部会话

sessions-title = 会话
sessions-none = 还没有会话
sessions-none-lead = 派出所民警在首页点“开始”，会话就会出现在这里。
sessions-none-found = 没有符合条件的会话
sessions-none-found-lead = 请放宽日期范围，或换一个词再找。
clear-filters = 清除条件
more = 显示更多
filter-search = 标题或参加人
filter-place = 单位
filter-state = 状态
filter-from = 从哪天
filter-to = 到哪天
filter-all = 全部

column-session = 会话
column-when = 时间
column-length = 时长
column-state = 状态
column-recording = 录音录像
column-transcript = 文字
length-so-far = 已 { $minutes } 分钟

session-open = 待开始
session-live = 正在进行
session-ended = 已结束

recording-off = 未录制
recording-on = 正在录音录像，自 { $since }
recording-paused = 已暂停录制，自 { $since }
recording-stopped = 录制结束，正在整理
recording-uploading = 正在存档，已到 { $to }
recording-sealed = 已封存，完整
recording-sealed-gaps = 已封存，有缺口
recording-expired = { $date } 到期，录像已销毁
recording-error = 录制出错，请告诉技术员
recording-warning-store-away = 存储暂时连不上，录像先存在服务器本机，恢复后自动补传
recording-warning-disk-full = 服务器磁盘已满，录制无法继续，请立即联系技术员
recording-warning-disk-failed = 录像无法写入服务器磁盘，请立即联系技术员
recording-warning-disk-low = 服务器磁盘空间不多了，请告诉技术员
recording-warning-recorder-away = 录制程序没有响应，正在自动恢复

text-queued = 等待转写
text-running = 正在转写
text-done = 文字已完成
text-failed = 转写失败
text-expired = 已随录像销毁
