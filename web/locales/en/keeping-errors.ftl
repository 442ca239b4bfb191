# SPDX-License-Identifier: Apache-2.0
# What can go wrong with classes and holds.
error-retention-class-unknown = There is no such class. There are: { $names }.
error-hold-reason-needed = Please give a reason.
error-hold-unchanged = The legal hold is already so. Please reload the page.
error-recording-expired = This session's recording reached its time and was deleted; only the note of it is left.
