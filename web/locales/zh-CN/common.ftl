# SPDX-License-Identifier: Apache-2.0
# Words that all pages share.
product = 视频之家
loading = 正在载入…
page-incomplete = 页面没有载入完整，可能是系统刚刚更新，或网络中断。请重新载入。
reload = 重新载入
try-again = 重试
close = 关闭
cancel = 取消
save = 保存
copy = 复制
copied = 已复制
print = 打印
skip-to-content = 跳到正文
large-type = 大字
error-details = 详情
not-found = 没有这个页面
not-found-lead = 这个地址没有内容，可能链接已过时。

nav-label = 主菜单
nav-home = 首页
nav-sessions = 会话
nav-people = 人员
nav-places = 单位
nav-sets = 终端
nav-cameras = 摄像机
nav-status = 运行状态

role-administrator = 管理员
role-station-officer = 派出所民警
role-hq-officer = 县局民警
role-clerk = 书记员
role-set = 终端

time-just-now = 刚刚

# Faults that arise in the browser; those of the server are in errors.ftl.
error-network-away = 连不上服务器。请检查网络，然后重试。
error-unknown = 出了意外的问题（{ $code }）。请重试；如仍不行，请把详情告诉技术员。
