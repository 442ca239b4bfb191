# SPDX-License-Identifier: Apache-2.0

# 录像保存期限、法律保留和存储锁定。
status-name-lock = 录像锁定
status-lock-enforced = 存储确实执行锁定（{ $mode } 模式，启动时已实测），封存的录像在期限内无法删除。
status-lock-off = 未启用存储锁定（设置 s3_lock）。
status-lock-unknown = 存储还没有回答，尚未测出它是否执行锁定。
status-lock-missing = 存储桶不支持锁定，录像只靠封条和另存的清单来证明。请新建一个启用对象锁定的存储桶，或换用支持锁定的存储。
status-lock-ignored = 存储声称支持锁定，实测却仍可删除或覆盖。请不要依赖它，并更换存储。
status-lock-refused = 存储拒绝锁定 { $sessions } 次会话的录像。请查看 data/logs 里的 web 日志。

status-name-encryption = 存储加密
status-encryption-encrypted = 存储会加密录像，并能正常读回（启动时已实测）。
status-encryption-unknown = 存储还没有回答，尚未测出它是否加密。
status-encryption-refused = 存储拒绝加密，录像无法上传。请为存储配置密钥，或设置 s3_encryption = off。
status-encryption-ignored = 存储收下了录像，但没有确认已加密。请不要依赖它，并更换存储。
status-encryption-unreadable = 存储加密后无法读回。请设置 s3_encryption = off，或更换存储。

status-name-copy = 录像副本
status-copy-ok = 所有录像在第二个存储都有核对过的副本。
status-copy-waiting = 还有 { $waiting } 个对象（{ $megabytes } MB）正在复制到第二个存储。
status-copy-away = 第二个存储连不上或拒绝写入，{ $waiting } 个对象（{ $megabytes } MB）等待复制；原件已安全保存。请检查 s3_copy_ 开头的设置和网络。
status-copy-unknown = 录制程序没有响应，不知道副本的情况。

keeping-title = 保存期限
keeping-class = 类别
keeping-days = { $days } 天
keeping-permanent = 永久
keeping-until = 保存到 { $date }
keeping-for-ever = 永久保存
keeping-after-end = 会话结束后开始计算
keeping-held = 法律保留中：{ $reason }（{ $name }，{ $date }）
keeping-locked-until = 存储已锁定到 { $date }
keeping-store-held = 存储已无限期锁定
keeping-change = 更改类别
keeping-hold = 设为法律保留
keeping-hold-lead = 保留期间，无论期限如何，都不会删除这次会话的录像。
keeping-lift = 解除法律保留
keeping-lift-lead = 解除后，录像按类别的期限保存。
keeping-reason = 理由
keeping-class-ordinary = 一般
keeping-class-mediation = 调解
keeping-class-evidence = 案件证据

keeping-overview = 录像保存
keeping-overview-lead = 各类录像保存多久、哪些被保留、哪些已经删除。期限在设置 retention_classes 里。
keeping-sessions = 录像
keeping-default = { $name }（默认）
keeping-holds = 法律保留
keeping-holds-none = 没有法律保留。
keeping-expired-list = 已到期删除
keeping-expired-none = 还没有删除过录像。管理员用 videohome expire 删除到期的录像。
keeping-expired-line = { $date } 删除，{ $objects } 个文件
keeping-expired-unfinished = { $date } 开始删除，尚未完成，请再运行 videohome expire --really
