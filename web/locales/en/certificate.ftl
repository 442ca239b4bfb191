# SPDX-License-Identifier: Apache-2.0

# The page /ca: how to trust this installation's root certificate.
ca-product = Video Home
ca-languages = Language
ca-language-zh-cn = 中文
ca-language-en = English
ca-title = Let this device trust Video Home
ca-why = Browsers allow camera and microphone only over a secure connection. This installation issues its own certificate, so every computer, tablet and phone installs its root once; after that there is no warning any more, and nothing to install again.
ca-download = Download the root certificate
ca-fingerprint = Fingerprint of the root (SHA-256)
ca-fingerprint-why = If a fingerprint is shown while you install, it must be the one below; your technician can check it too. If it differs, do not install.
ca-own-certificate = This installation uses your organisation's own certificate; there is nothing to install here. If the browser still warns you, please tell your technician.
ca-open-home = Open Video Home
ca-done = When it is installed
ca-done-how = Close the browser, open it again and go to https://{ $host }/ . If the address bar no longer says “Not secure”, it worked.
ca-windows = Windows computer
ca-windows-1 = Choose “Download the root certificate” above, then double-click the file videohome-root.crt.
ca-windows-2 = Choose “Install Certificate…”, then “Local Machine” (or “Current User” if you are no administrator), then “Next”.
ca-windows-3 = Choose “Place all certificates in the following store”, “Browse…”, “Trusted Root Certification Authorities”, “OK”.
ca-windows-4 = Choose “Next” and “Finish”; if a security warning appears, compare the fingerprint and choose “Yes”.
ca-windows-note = This is for Edge and Chrome. In Firefox, open Settings → Privacy & Security → Certificates → View Certificates → Import, choose the file and tick “Trust this CA to identify websites”.
ca-android = Android phone or tablet
ca-android-1 = Choose “Download the root certificate” above and keep the file on the phone.
ca-android-2 = Open the phone's Settings and search for “CA certificate” (usually Security → More security settings → Encryption & credentials → Install a certificate).
ca-android-3 = Choose “CA certificate”, then “Install anyway”, and enter your screen lock if asked.
ca-android-4 = Choose videohome-root.crt; “CA certificate installed” means it worked.
ca-android-note = Names of menus differ a little from maker to maker; the phone may ask for a screen lock first. Please open Video Home in Chrome.
ca-ios = iPhone or iPad
ca-ios-1 = Open this page in Safari, choose “Download the root certificate” above, then “Allow”.
ca-ios-2 = Open Settings → General → VPN & Device Management, choose “Video Home local root”, then “Install” at the top right.
ca-ios-3 = Open Settings → General → About, scroll to the end and choose “Certificate Trust Settings”.
ca-ios-4 = Switch on “Video Home local root” and choose “Continue”.
ca-ios-note = Steps 3 and 4 are needed: when it is installed but not switched on, Safari still warns.
