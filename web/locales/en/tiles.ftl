# SPDX-License-Identifier: Apache-2.0
# Many pictures in a call: pages, the mark of each, and what a weak link changes.

## Pages
tiles-to-grid = All pictures the same size
tiles-to-stage = One large picture
tiles-pages = Pages of pictures
tiles-next = Next page
tiles-previous = Previous page
tiles-page = Page { $page } of { $pages } · { $all } pictures

## One tile
tile-pin-of = { $word }: { $name }
tile-note-no-room = Paused: not enough bandwidth
tile-note-stalled = Picture interrupted, recovering
tile-note-reduced = Smaller picture: weak network

## The mark of a tile, in words
tile-badge-of = { $name }: { $verdict }
tile-badge-good = Picture and sound are fine
tile-badge-fair = Fair network, now and then noticeable
tile-badge-poor = Poor network, picture or sound suffers
tile-badge-unknown = Nothing measured yet
tile-badge-up-good = You are sending well
tile-badge-up-fair = Your network is fair; others notice it now and then
tile-badge-up-poor = Your network is poor; others may not see or hear you well
tile-badge-up-unknown = Nothing measured yet
tile-why-stalled = The picture does not reach the server; it is being asked for again.
tile-why-frozen = The picture stood still within the last 10 seconds.
tile-why-words = Some words were lost and the sound was patched up.
tile-why-bandwidth = Not enough bandwidth; the picture is smaller or paused.
tile-why-lost = Data is lost on the way and sent again.
tile-why-slow = Long delay: let the other side finish speaking.
tile-figure-lost = Lost packets
tile-figure-delay = Round trip
tile-figure-ms = { $ms } ms
tile-figure-rate = Bit rate
tile-figure-picture = Picture
tile-figure-size = { $width }×{ $height }, { $fps } frames/s
tile-figure-frozen = Freezes in 10 s
tile-figure-frozen-times = { $times }, { $seconds } s in all
tile-figure-layers = Sizes being sent
tile-figure-of = { $on } of { $all }

## Small pictures, or sound only
saving-title = Pictures and data
saving-auto = Automatic (recommended)
saving-normal = Full pictures
saving-low = Save data
saving-audio = Sound only
saving-low-hint = Saving data: all pictures in the smallest size. Click to change.
saving-audio-hint = Sound only: no pictures are shown. Click to change.
saving-auto-low = The network is poor: pictures were made small so that the sound stays clear. They come back by themselves.
saving-auto-audio = The network is very poor: pictures are paused and only the sound goes on. They come back by themselves.
saving-back = Back to full pictures
saving-read = Got it
saving-offer-low = The network is poor and pictures freeze. Saving data would be steadier.
saving-offer-audio = The network is very poor and the sound breaks up. Sound only would be clearer.
saving-not-now = Not now
saving-cap = At most for received pictures
saving-cap-none = No limit
saving-cap-kbps = { $kbps } kb/s
saving-codec = Codec of your picture
saving-codec-auto = Automatic (recommended)
saving-codec-vp8 = VP8
saving-codec-h264 = H.264 (for computers that encode it in hardware)

## A shared screen
sharing-now = You are sharing your screen
sharing-what = What is shared
sharing-detail = Text: keep it sharp
sharing-motion = Video in it: keep it smooth
