# SPDX-License-Identifier: Apache-2.0
# Words that all pages share.
product = Video Home
loading = Loading…
page-incomplete = The page did not load completely: the system was just updated, or the network broke off. Please reload.
reload = Reload
try-again = Try again
close = Close
cancel = Cancel
save = Save
copy = Copy
copied = Copied
print = Print
skip-to-content = Skip to content
large-type = Large type
error-details = Details
not-found = No such page
not-found-lead = There is nothing at this address. The link may be out of date.

nav-label = Main menu
nav-home = Home
nav-sessions = Sessions
nav-people = People
nav-places = Places
nav-sets = Sets
nav-cameras = Cameras
nav-status = Status

role-administrator = Administrator
role-station-officer = Station officer
role-hq-officer = Headquarters
role-clerk = Clerk
role-set = Set

time-just-now = just now

# Faults that arise in the browser; those of the server are in errors.ftl.
error-network-away = The server cannot be reached. Check the network, then try again.
error-unknown = Something unexpected went wrong ({ $code }). Try again; if it stays, give the details to your technician.
