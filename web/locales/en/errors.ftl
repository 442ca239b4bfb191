# SPDX-License-Identifier: Apache-2.0

# One sentence for every error code of the server: what is wrong and what to do.

## General
error-internal = Something went wrong on our side. Please try again; if it happens again, give the technician the number { $reference }.
error-database-away = The database does not answer. Please try again in a moment; if it happens again, give the technician the number { $reference }.
error-input-invalid = Something in what you entered is not right ({ $field }). Please correct it and send it again.
error-not-found = This could not be found. Please check the address, or start again from the home page.
error-method-not-allowed = This address does not support that action. Please reload the page and try again.
error-body-too-large = What you sent is too large (the limit is 256 KB). Please shorten it and send it again.
error-request-refused = The server refused this request (code { $status }). Please reload the page and try again.
error-foreign-origin = This request did not come from a page of Video Home and was refused. Please use the pages of Video Home.
error-pages-not-built = The pages have not been built yet. Please ask the technician to install Video Home again.
error-no-local-root = This installation uses your organisation's own certificate; there is no root to download.
error-forbidden = You do not have the right to do this. If your work needs it, please ask an administrator.

## Signing in and passwords
error-sign-in-required = You are not signed in, or your sign-in has run out. Please sign in again.
error-bad-credentials = The user name or password is not right. Please check both; if you forgot the password, ask an administrator.
error-too-many-attempts = Too many wrong passwords. Please try again in { $retry_after_s } seconds.
error-password-change-required = Please change the one-time password to your own before you go on.
error-password-too-short = The password is too short. Please use at least { $min } characters.
error-password-too-long = The password is too long. Please use no more than { $max } characters.
error-password-not-new = The new password is the same as the old one. Please choose a different one.
error-password-is-username = The password must not be the same as the user name. Please choose a different one.
error-password-required = Please choose a password for yourself, then confirm.
error-password-not-expected = This link enrols a video room set and needs no password. Please just confirm.

## One-time links
error-invitation-invalid = This link is not valid. Please make sure you opened the whole link, or ask an administrator for a new one.
error-invitation-expired = This link has expired (links last 24 hours). Please ask an administrator for a new one.
error-invitation-used = This link has already been used. Please sign in, or ask an administrator for a new one.
error-set-in-use = This set is being used in another browser. Close the page there and try again in a minute, or ask an administrator to release the set.

## Administration
error-place-not-found = There is no such place; it may have been removed. Please reload the list.
error-place-inactive = This place is switched off. Please choose another one, or switch it on first.
error-place-in-use = People or sets in use still belong to this place. Please move them or switch them off first.
error-account-not-found = There is no such person. Please reload the list.
error-account-disabled = This person is switched off. Please switch them on before sending a link.
error-set-not-found = There is no such set. Please reload the list.
error-set-disabled = This set is switched off. Please switch it on before sending a link.
error-name-taken = There is already one with this name ({ $name }). Please choose another name.
error-username-taken = The user name { $username } is already taken. Please choose another one.
error-last-administrator = This is the last administrator and can neither be switched off nor given another role. Please appoint another administrator first.
