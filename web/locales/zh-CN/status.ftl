# SPDX-License-Identifier: Apache-2.0

# 系统状态页：每个部分一句话，有问题时说明怎么办。
status-database-ok = 数据库正常。
status-database-away = 数据库没有响应。请检查磁盘空间和数据库服务，然后重新启动本系统。
status-mediaserver-ok = 视频服务正常，房间 { $rooms } 个，终端 { $peers } 个。
status-mediaserver-starting = 视频服务刚刚启动，正在恢复房间，几秒后再看。
status-mediaserver-away = 视频服务没有响应，会自动重启。若一分钟后仍如此，请查看 data/logs 里的 mediaserver 日志。
status-node-away = 这些媒体节点没有应答：{ $nodes }。通话暂时转到其他机器；正在那里录制的通话要等那台机器恢复。请运行 videohome doctor 查看原因。
status-recorder-ok = 录制程序正常，手上有 { $sessions } 次会话。
status-recorder-away = 录制程序没有响应，会自动重启；期间不能开始录制。若一分钟后仍如此，请查看 data/logs 里的 recorder 日志。
status-recorder-other-version = 录制程序与网页程序版本不一致，请重新启动本系统。
status-store-ok = 录像存储正常。
status-store-away = 录像存储连不上。录像暂存在本机，恢复后会自动上传；请检查存储服务和网络。
status-store-refused = 录像存储拒绝访问。请检查密钥、权限和存储桶名称，然后运行 videohome doctor。
status-recordings-ok = 所有录像都已封存。
status-recordings-waiting = 有 { $waiting } 份录像正在上传或封存，尚有 { $megabytes } MB。
status-recordings-failed = 有 { $failed } 份录像出错，未能封存。请查看 data/logs 里的 recorder 日志，不要删除 data/spool。
status-worker-ok = 转写程序正常，待处理 { $waiting } 份。
status-worker-silent = 转写程序已 { $age_s } 秒没有动静，待处理 { $waiting } 份。请查看 data/logs 里的 worker 日志。
status-worker-never = 转写程序从未运行过，待处理 { $waiting } 份。请确认它已启动。
status-model-ok = 语音识别模型 { $model } 已安装。
status-model-missing = 没有找到语音识别模型 { $model }。请运行 videohome models install { $model }。
status-model-damaged = 语音识别模型 { $model } 不能用。请运行 videohome models check，再重新安装。
status-disk-ok = 磁盘剩余 { $free_gb } GB（{ $folder }）。
status-disk-low = 磁盘只剩 { $free_gb } GB（{ $folder }），请尽快清理或扩容。
status-disk-full = 磁盘只剩 { $free_gb } GB（{ $folder }），已不能开始录制，请马上清理或扩容。
status-certificate-ok = 证书有效，还有 { $days } 天。
status-certificate-expiring = 证书还有 { $days } 天到期，请准备新证书。
status-certificate-expired = 证书已过期 { $days } 天，浏览器会拒绝连接，请马上更换。
status-certificate-fault = 证书无法更新或重新读取，现用证书还有 { $days } 天。{ $reason }
status-certificate-missing = 没有找到证书文件 { $path }，请检查设置 tls_certificate。
status-check-failed = 有一项检查没有完成（{ $reason }），请查看 data/logs 里的 web 日志。
status-timestamp-ok = 封存的录像都已送时间戳机构盖章。
status-timestamp-waiting = 有 { $waiting } 份封存的录像还没有拿到时间戳，最早的已等 { $minutes } 分钟；系统会一直重试，封存不受影响。请检查设置 timestamp_url、timestamp_certificate 和网络。
