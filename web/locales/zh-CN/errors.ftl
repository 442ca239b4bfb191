# SPDX-License-Identifier: Apache-2.0

# 服务器返回的每个错误代码一句话：哪里不对，怎么办。

## 通用
error-internal = 系统出错了，请重试；如仍不行，请把编号 { $reference } 告诉技术人员。
error-database-away = 数据库暂时不可用，请稍等片刻再试；如仍不行，请把编号 { $reference } 告诉技术人员。
error-input-invalid = 填写的内容有误（{ $field }），请改正后再提交。
error-not-found = 没有找到您要的内容，请检查地址，或返回首页重新进入。
error-method-not-allowed = 此地址不支持这种操作，请刷新页面后重试。
error-body-too-large = 提交的内容太大（上限 256 KB），请缩短后再提交。
error-request-refused = 服务器拒绝了这个请求（代码 { $status }），请刷新页面后重试。
error-foreign-origin = 这个请求不是从本系统的页面发出的，已被拒绝；请打开本系统的页面再操作。
error-pages-not-built = 页面文件尚未生成，请技术人员重新安装本系统。
error-no-local-root = 本系统使用单位自己的证书，没有可下载的根证书。
error-forbidden = 您没有这项权限；如工作需要，请联系管理员。

## 登录与密码
error-sign-in-required = 您还没有登录，或登录已过期，请重新登录。
error-bad-credentials = 用户名或密码不对，请核对后重新输入；忘记密码请联系管理员。
error-too-many-attempts = 密码输错次数过多，请在 { $retry_after_s } 秒后再试。
error-password-change-required = 请先把一次性密码改成您自己的密码，再继续使用。
error-password-too-short = 密码太短，请至少使用 { $min } 个字符。
error-password-too-long = 密码太长，请不要超过 { $max } 个字符。
error-password-not-new = 新密码和原来的一样，请换一个不同的密码。
error-password-is-username = 密码不能与用户名相同，请换一个。
error-password-required = 请为自己设置一个密码，再点确定。
error-password-not-expected = 这是会议室终端的登记链接，不需要密码，请直接点确定。

## 一次性链接
error-invitation-invalid = 这个链接无效，请确认打开的是完整链接，或请管理员重新发一个。
error-invitation-expired = 这个链接已过期（有效期 24 小时），请管理员重新发一个。
error-invitation-used = 这个链接已经用过了；请直接登录，或请管理员重新发一个。
error-set-in-use = 这台终端正在另一个浏览器中使用；请先关闭那边的页面，一分钟后再试，或请管理员释放这台终端。

## 管理
error-place-not-found = 没有这个单位，可能已被删除，请刷新列表。
error-place-inactive = 这个单位已停用，请选择其他单位，或先启用它。
error-place-in-use = 这个单位还有在用的人员或终端，请先把他们调走或停用。
error-account-not-found = 没有这个人员，请刷新列表。
error-account-disabled = 这个人员已停用，请先启用再发链接。
error-set-not-found = 没有这台终端，请刷新列表。
error-set-disabled = 这台终端已停用，请先启用再发链接。
error-name-taken = 已有同名的记录（{ $name }），请换一个名称。
error-username-taken = 用户名 { $username } 已被使用，请换一个。
error-last-administrator = 这是最后一位管理员，不能停用或改成其他角色；请先另设一位管理员。
