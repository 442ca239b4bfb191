# SPDX-License-Identifier: Apache-2.0

# 背靠背谈话
caucus-title = 背靠背谈话
caucus-choose = 和谁单独谈？
caucus-choose-hint = 谈话期间会场静音，其他人听不到也看不到任何人；正在进行的录制会暂停，谈完自动继续。
caucus-nobody = 会场里还没有可以单独谈的人。
caucus-and = 、
caucus-start = 开始谈话
caucus-end = 结束谈话
caucus-enter = 进入谈话
caucus-waiting = 正在进行背靠背谈话，请稍候
caucus-waiting-hint = 会场现在静音：您听不到别人，别人也听不到、看不到您，也不录制。谈话结束后自动恢复。
caucus-here = 背靠背谈话
caucus-here-hint = 会场里的其他人听不到、看不到这里，也不会写进会场的录像。
caucus-took-place = 背靠背谈话 { $from }–{ $to }
caucus-goes-on = 进行中
caucus-open-record = 查看谈话记录
caucus-record = 背靠背谈话的记录，只有主持谈话的人能看，每次查看都有记载。
caucus-record-main = 回到会场的记录
caucus-of-title = { $title }（背靠背谈话）
