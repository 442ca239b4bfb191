# SPDX-License-Identifier: Apache-2.0
# One sentence for every error code about copies: what is wrong and what to do.
error-copy-not-found = 没有这个复制件，或者您不能下载。请刷新页面查看它的状态。
error-copy-own = 不能批准自己的申请。请另一位有权限的人员办理。
error-copy-decided = 这个申请已经办理过了。请刷新页面查看结果。
error-copy-reason-needed = 不批准须写明理由。请填写理由后再提交。
error-copy-not-own = 只有申请人可以这样做。请联系申请人。
error-copy-over = 这个申请已经结束，不能再更改。请重新申请。
error-copy-span-empty = 结束时间须晚于开始时间。请改正后再提交。
error-copy-nothing-chosen = 所选轨道和时间内没有录音录像。请重新选择。
error-copy-no-room = 服务器磁盘空间不足，复制件没有制作。请告知技术人员，腾出空间后点“重新制作”。
error-copy-not-written = 复制件无法写入服务器磁盘。请告知技术人员，处理后点“重新制作”。
