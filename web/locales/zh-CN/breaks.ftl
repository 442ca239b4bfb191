# SPDX-License-Identifier: Apache-2.0

# Breaks of a recording: why
break-reason-rest = 休息
break-reason-papers = 取材料、看材料
break-reason-enquiry = 核实情况
break-reason-equipment = 调试设备
break-reason-consent-missing = 有人尚未同意
break-reason-consent-withdrawn = 有人撤回同意
break-reason-caucus = 背靠背谈话
