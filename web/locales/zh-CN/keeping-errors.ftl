# SPDX-License-Identifier: Apache-2.0
# 保存期限和法律保留的错误。
error-retention-class-unknown = 没有这个类别。可选：{ $names }。
error-hold-reason-needed = 请写明理由。
error-hold-unchanged = 法律保留状态已经是这样了，请刷新页面。
error-recording-expired = 这次会话的录像已到期删除，只留下记录。
