# SPDX-License-Identifier: Apache-2.0

# Breaks of a recording: why
break-reason-rest = a rest
break-reason-papers = papers are fetched or read
break-reason-enquiry = something is looked into
break-reason-equipment = devices are set up
break-reason-consent-missing = someone has not agreed yet
break-reason-consent-withdrawn = someone withdrew consent
break-reason-caucus = a private talk
