# SPDX-License-Identifier: Apache-2.0
# Signing in, passwords, one-time links.
sign-in = Sign in
sign-in-lead = Use the user name that your administrator gave you.
sign-out = Sign out
set-sign-out = Sign this set out
set-sign-out-lead = This computer can then take part in sessions only after it was enrolled again with a new one-time link from an administrator.
to-sign-in = Go to sign-in
username = User name
password = Password
no-password-yet = No password yet? Open the one-time link from your administrator. If the browser does not trust the certificate,
certificate-link = install this system's root certificate first.

change-password = Change password
change-password-forced = This is a one-time password. Change it to one of your own, then go on.
current-password = Current password
one-time-password = One-time password
new-password = New password
new-password-again = Once more
new-password-hint =
    { $missing ->
        [0] At least { $min } characters. A few unrelated words are easy to remember and hard to guess.
        [one] At least { $min } characters, one more to go.
       *[other] At least { $min } characters, { $missing } more to go.
    }
new-password-short = The password is too short. Use at least { $min } characters.
new-password-differs = The two passwords differ. Please type them again.
password-changed = Password changed
strength-weak = Easy to guess: make it longer, or use more kinds of characters
strength-fair = Fair
strength-good = Good

join-title = One-time link
join-welcome = Welcome, { $name }
join-choose-password = Your user name is { $username }. Choose a password that only you know.
join-set-password = Set password and sign in
join-set-title = Make this computer a set
join-set-lead = This browser then is the video room's set and needs no password. Do this on the computer in the video room, not on your own.
join-set-accept = Enrol this computer
join-set-seen = Last seen: { $when }.
join-expires = This link works once, until { $when }.
