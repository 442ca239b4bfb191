// SPDX-License-Identifier: Apache-2.0
// Doors of a session for devices and programs (WHIP, WHEP): what the pages ask of the server about them.
import { request } from "./api";

export type DoorRight = "publish" | "watch";
export interface Door {
  peer_id: string;
  name: string;
  right: DoorRight;
  /** A device is in by it now. */
  present: boolean;
  opened_utc_ms: number;
  expires_utc_ms: number;
}
export interface NewDoor {
  name: string;
  right: DoorRight;
  life_minutes: number;
  /** Who is before the camera of a device that publishes. */
  people: { name: string; kind: string }[];
}
/** The token is told this once. */
export interface MadeDoor {
  peer_id: string;
  token: string;
}

const path = (sessionId: string): string => `/api/sessions/${encodeURIComponent(sessionId)}/doors`;

export const doors = {
  list: (sessionId: string) => request<{ doors: Door[] }>("GET", path(sessionId)).then((got) => got.doors),
  open: (sessionId: string, door: NewDoor) => request<MadeDoor>("POST", path(sessionId), door),
  close: (sessionId: string, peerId: string) =>
    request<{ doors: Door[] }>("DELETE", `${path(sessionId)}/${encodeURIComponent(peerId)}`).then((got) => got.doors),
};

/** Where a device connects: to send, or to watch one peer of the session. */
export function doorAddress(sessionId: string, watched: string | null): string {
  const session = encodeURIComponent(sessionId);
  return watched === null
    ? `${location.origin}/whip/${session}`
    : `${location.origin}/whep/${session}/${encodeURIComponent(watched)}`;
}

/** Names in one field, parted as people part them: one a piece. */
export function namesIn(text: string): string[] {
  return text.split(/[、，,;；\n]/).map((name) => name.trim()).filter(Boolean);
}
