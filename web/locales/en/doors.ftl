# SPDX-License-Identifier: Apache-2.0
# Encoders, walls and other devices in a session (WHIP, WHEP).
doors-title = Devices
doors-link = Devices
doors-link-from-call = Devices (opens in a new tab)
doors-lead = Encoders, room systems and walls come into this session without a browser, by an address and a token. Each device gets a door of its own. You can take it back at any time; the device is out at once.
doors-none = No device yet
doors-none-lead = Press “New door” and enter the address and the token in the device.
doors-ended = The session has ended; none of its doors is good any more.
door-new = New door
door-make = Open it
door-name = Device
door-name-hint = For example: encoder of the mediation room, wall of the command centre. Everybody present sees this name.
door-right = What for
door-right-publish = Sends picture and sound
door-right-watch = Only watches
door-right-publish-hint = Whoever is before the device will be recorded and has to agree first.
door-right-watch-hint = A device that watches is in no recording, but everybody present sees its name.
door-people = Before the device
door-people-hint = At least one person; several with commas between.
door-people-wrong = At most { $people } people, each name with at most { $letters } letters.
door-ask = { $name } agrees to being recorded (ask first)
door-agreed = { $name } agreed to being recorded
door-life = Good for
door-hours = { $hours ->
    [one] 1 hour
   *[other] { $hours } hours
}
door-until = Good until
door-in-use = In use
door-waiting = Not connected
door-close = Take back
door-close-title = Take back the door of “{ $name }”
door-close-lead = The device is out of the session at once and its token is worth nothing. To come in again it needs a new door.
door-closed = The door of “{ $name }” was taken back.
door-key-title = Address and token
door-key-once = The token is shown this once. Copy it into the device now. Whoever has it can come in, so keep it to yourselves.
door-key-done = I have it
door-key-gone = The token was shown once when the door was opened. If it is lost, take the door back and open another.
door-address = Address
door-token = Token (Bearer)
door-copy = Copy: { $what }
door-watch-whom = Whom to watch
door-watch-nobody = Nobody has joined the session, so there is no picture to watch. Keep the token; once somebody has joined, press “Address” in the list.
door-how-publish = In the device or in OBS choose WHIP; “Server” is the address, “Bearer token” the token. The device has to trust this server's root certificate.
door-how-watch = In the player choose WHEP and enter address and token. The same token may watch anybody in the session.
