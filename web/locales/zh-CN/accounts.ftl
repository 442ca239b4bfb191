# SPDX-License-Identifier: Apache-2.0
# Signing in, passwords, one-time links.
sign-in = 登录
sign-in-lead = 用管理员给您的用户名登录。
sign-out = 退出
set-sign-out = 退出终端
set-sign-out-lead = 退出后，这台电脑要用管理员新发的一次性链接重新登记，才能再参加会话。
to-sign-in = 去登录
username = 用户名
password = 密码
no-password-yet = 还没有密码？请打开管理员发给您的一次性链接。浏览器提示证书不受信任时，
certificate-link = 请先安装本系统的根证书。

change-password = 修改密码
change-password-forced = 这是一次性密码。请先换成您自己的密码，然后继续。
current-password = 现在的密码
one-time-password = 一次性密码
new-password = 新密码
new-password-again = 再输入一次
new-password-hint =
    { $missing ->
        [0] 至少 { $min } 个字符。用几个不相干的词最好记，也最难猜。
       *[other] 至少 { $min } 个字符，还差 { $missing } 个。
    }
new-password-short = 密码太短，请至少使用 { $min } 个字符。
new-password-differs = 两次输入的密码不一样，请重新输入。
password-changed = 密码已修改
strength-weak = 容易猜到：请再长一些，或多用几种字符
strength-fair = 可以
strength-good = 很好

join-title = 一次性链接
join-welcome = { $name }，您好
join-choose-password = 您的用户名是 { $username }。请设置一个只有您自己知道的密码。
join-set-password = 设置密码并登录
join-set-title = 把这台电脑登记为终端
join-set-lead = 登记后，这个浏览器就是这间视频室的终端，不再需要密码。请在视频室的电脑上操作，不要在自己的电脑上操作。
join-set-accept = 登记这台电脑
join-set-seen = 最近一次在线：{ $when }。
join-expires = 这个链接只能用一次，有效期至 { $when }。
