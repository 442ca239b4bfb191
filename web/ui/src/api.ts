// SPDX-License-Identifier: Apache-2.0
// The one door to the server's API: typed requests, one kind of error, no tokens in addresses.

export type Role = "administrator" | "station_officer" | "hq_officer" | "clerk" | "set";
export type Language = "zh-CN" | "en";
export type PlaceKind = "station" | "desk";

export interface PlaceRef {
  id: string;
  name: string;
  kind?: string;
}
export interface Me {
  kind: "account" | "set";
  id: string;
  name: string;
  username: string | null;
  role: Role;
  county: string;
  place: PlaceRef | null;
  must_change_password: boolean;
  language: Language;
  server_utc_ms: number;
  version: string;
}
export interface Invitation {
  kind: "account" | "set";
  name: string;
  username: string | null;
  place_name: string | null;
  expires_utc_ms: number;
}

export type SessionState = "open" | "live" | "ended";
export type RecordingState = "off" | "on" | "paused" | "stopped" | "uploading" | "sealed" | "error" | "expired";
export type TranscriptState = "queued" | "running" | "done" | "failed";
export interface Recording {
  state: RecordingState;
  since_utc_ms: number | null;
  started_utc_ms: number | null;
  recorded_to_ms: number;
  uploaded_to_ms: number;
  waiting_uploads: number;
  waiting_bytes: number;
  warning: "store_away" | "disk_full" | "disk_failed" | "disk_low" | "recorder_away" | null;
  complete: boolean | null;
  /** When it was deleted at the end of its time; null while it is kept. */
  expired_utc_ms: number | null;
  /** Why it is paused, as a code; empty otherwise. */
  reason: string;
}
export interface TranscriptJob {
  id: string;
  state: TranscriptState;
  /** 0 to 1. */
  progress: number;
  step: string;
  error_code: string | null;
  model: string | null;
}
export interface Summary {
  id: string;
  title: string;
  place: PlaceRef | null;
  state: SessionState;
  created_utc_ms: number;
  started_utc_ms: number | null;
  ended_utc_ms: number | null;
  people: string[];
  duration_ms: number | null;
  recording: Recording;
  transcript: TranscriptJob | null;
  can: { join: boolean; lead: boolean; moderate: boolean; take_over: boolean; read: boolean };
  /** Of a private talk: the session beside which it is held. */
  caucus_of: string | null;
}
export interface Attendee {
  id: string;
  name: string;
  kind: string;
  agreed: boolean | null;
  agreed_utc_ms: number | null;
}
export interface Participant {
  peer_id: string;
  kind: string;
  name: string;
  place_name: string;
  role: Role;
  present: boolean;
  me: boolean;
  joined_utc_ms: number | null;
  left_utc_ms: number | null;
  attendees: Attendee[];
}
export interface SessionEvent {
  type: string;
  data: Record<string, unknown>;
  utc_ms: number;
}
export interface Detail extends Summary {
  /** What is spoken: zh or en. */
  language: string;
  participants: Participant[];
  missing_consents: string[];
  consent_text_version: string;
  moderation: {
    host_peer_id: string | null;
    host_present: boolean;
    locked: boolean;
    waiting_room: boolean;
    /** Only the host is told. */
    kept_out: { peer_id: string; name: string; place_name: string; why: "removed" | "denied" }[];
  };
  /** What is wrong with a camera or microphone at this moment. */
  alarms: SourceAlarm[];
  /** Markers and sections as they stand. */
  marks: Marks;
  /** Private talks beside it. */
  caucuses: CaucusTime[];
  events: SessionEvent[];
}
/** That a private talk took place; the session is named only to whom it exists for. */
export interface CaucusTime {
  from_utc_ms: number;
  /** null while it goes on. */
  to_utc_ms: number | null;
  session_id: string | null;
}
export interface Marker {
  id: string;
  /** Empty: only that the moment was marked. */
  label: string;
  utc_ms: number;
  by_name: string;
  /** Set by this page's own person. */
  mine: boolean;
}
export interface Section {
  id: string;
  label: string;
  from_utc_ms: number;
  /** null while it goes on. */
  to_utc_ms: number | null;
  by_name: string;
}
export interface Marks {
  may_mark: boolean;
  markers: Marker[];
  sections: Section[];
}
export interface SourceAlarm {
  name: "track_stalled" | "camera_black" | "mic_silent" | "mic_clipping";
  peer_id: string;
  source: string;
  since_utc_ms: number;
}
export interface SessionPage {
  sessions: Summary[];
  next: string | null;
}

export interface Place {
  id: string;
  kind: string;
  name: string;
  active: boolean;
}
export interface Person {
  id: string;
  username: string;
  name: string;
  role: Role;
  place: PlaceRef | null;
  active: boolean;
  has_password: boolean;
  must_change_password: boolean;
  last_sign_in_utc_ms: number | null;
  last_seen_utc_ms: number | null;
}
export interface RoomSet {
  id: string;
  name: string;
  place: PlaceRef | null;
  active: boolean;
  in_use: boolean;
  seen_utc_ms: number | null;
}
export interface CameraFields {
  name: string;
  place_id: string;
  /** rtsp://… */
  address: string;
  username: string;
  /** Only ever sent. */
  password: string;
  transport: "tcp" | "udp";
  sound: boolean;
}
export interface Camera extends Omit<CameraFields, "place_id" | "password"> {
  id: string;
  place: PlaceRef | null;
  has_password: boolean;
  /** Newest state as a code; empty before the first use or test. */
  state: string;
  state_detail: string;
  state_utc_ms: number | null;
  width: number | null;
  height: number | null;
}
export interface CameraPicture {
  /** Base64. */
  jpeg: string;
  width: number;
  height: number;
  profile: string;
  sound_codec: string;
}
export interface SessionCamera {
  id: string;
  name: string;
  on: boolean;
  state: string;
  detail: string;
}
export interface FreshLink {
  token: string;
  expires_utc_ms: number;
}
export interface StatusItem {
  name: string;
  state: "ok" | "warn" | "fail";
  code: string;
  params: Record<string, string | number>;
  message: string;
}

export type Params = Record<string, unknown>;

/** What went wrong, as the server's code with its parameters; `network_away` when no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly params: Params,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

interface ErrorBody {
  error?: { code?: string; params?: Params; message?: string };
}

type Listener = (error: ApiError) => void;
const listeners = new Set<Listener>();

/** Told of every refused request, so that the shell can send the person to sign in or to set a password. */
export function onApiError(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** One request. Throws ApiError; a body is sent as JSON. `signal` cancels it (then it throws an AbortError);
 *  with `keepalive` it arrives although the page is left meanwhile. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  keepalive = false,
): Promise<T> {
  const init: RequestInit = { method, keepalive, credentials: "same-origin", headers: { accept: "application/json" } };
  if (body !== undefined) {
    init.headers = { accept: "application/json", "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  if (signal) init.signal = signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw report(new ApiError(0, "network_away", {}, String(cause)));
  }
  const text = await response.text();
  const value: unknown = text ? parse(text) : null;
  if (response.ok) return value as T;
  const error = (value as ErrorBody | null)?.error;
  throw report(
    new ApiError(response.status, error?.code ?? `http_${response.status}`, error?.params ?? {}, error?.message ?? ""),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function report(error: ApiError): ApiError {
  for (const listener of listeners) listener(error);
  return error;
}

const id = encodeURIComponent;

/** Every endpoint the pages use, by what it does. */
export const api = {
  me: () => request<Me>("GET", "/api/me"),
  signIn: (username: string, password: string) => request<Me>("POST", "/api/sign-in", { username, password }),
  /** Counted for the technician; nobody waits for it. */
  deviceFault: (device: string, fault: string) => request<unknown>("POST", "/api/device-faults", { device, fault }),
  signOut: () => request<unknown>("POST", "/api/sign-out", {}),
  changePassword: (current: string, next: string) =>
    request<Me>("POST", "/api/me/password", { current, new: next }),
  setLanguage: (language: Language) => request<unknown>("PUT", "/api/me/language", { language }, undefined, true),

  lookAtInvitation: (token: string) => request<Invitation>("POST", "/api/invitations/look", { token }),
  acceptInvitation: (token: string, password?: string) =>
    request<Me>("POST", "/api/invitations/accept", password === undefined ? { token } : { token, password }),

  places: () => request<{ places: Place[] }>("GET", "/api/places").then((got) => got.places),
  addPlace: (place: { kind: string; name: string }) => request<Place>("POST", "/api/places", place),
  changePlace: (placeId: string, change: Partial<Place>) =>
    request<Place>("PATCH", `/api/places/${id(placeId)}`, change),

  people: () => request<{ people: Person[] }>("GET", "/api/people").then((got) => got.people),
  addPerson: (person: { username: string; name: string; role: Role; place_id?: string | null }) =>
    request<Person>("POST", "/api/people", person),
  changePerson: (
    personId: string,
    change: { name?: string; role?: Role; place_id?: string | null; active?: boolean },
  ) => request<Person>("PATCH", `/api/people/${id(personId)}`, change),
  invitePerson: (personId: string) => request<FreshLink>("POST", `/api/people/${id(personId)}/invitation`, {}),

  sets: () => request<{ sets: RoomSet[] }>("GET", "/api/sets").then((got) => got.sets),
  addSet: (set: { name: string; place_id: string }) => request<RoomSet>("POST", "/api/sets", set),
  changeSet: (setId: string, change: { name?: string; place_id?: string; active?: boolean }) =>
    request<RoomSet>("PATCH", `/api/sets/${id(setId)}`, change),
  inviteSet: (setId: string) => request<FreshLink>("POST", `/api/sets/${id(setId)}/invitation`, {}),
  releaseSet: (setId: string) => request<RoomSet>("POST", `/api/sets/${id(setId)}/release`, {}),

  cameras: () => request<{ cameras: Camera[] }>("GET", "/api/cameras").then((got) => got.cameras),
  addCamera: (camera: Partial<CameraFields>) => request<Camera>("POST", "/api/cameras", camera),
  changeCamera: (cameraId: string, change: Partial<CameraFields>) =>
    request<Camera>("PATCH", `/api/cameras/${id(cameraId)}`, change),
  removeCamera: (cameraId: string) => request<unknown>("DELETE", `/api/cameras/${id(cameraId)}`),
  cameraPicture: (wanted: Partial<CameraFields> & { camera_id?: string }) =>
    request<CameraPicture>("POST", "/api/cameras/picture", wanted),
  sessionCameras: (sessionId: string) =>
    request<{ cameras: SessionCamera[] }>("GET", `/api/sessions/${id(sessionId)}/cameras`).then((got) => got.cameras),
  chooseCameras: (sessionId: string, camera_ids: string[]) =>
    request<{ cameras: SessionCamera[] }>("PUT", `/api/sessions/${id(sessionId)}/cameras`, { camera_ids }).then(
      (got) => got.cameras,
    ),

  sessions: (filters: Record<string, string> = {}, signal?: AbortSignal) => {
    const query = new URLSearchParams(filters).toString();
    return request<SessionPage>("GET", `/api/sessions${query ? `?${query}` : ""}`, undefined, signal);
  },
  createSession: (title: string, language?: string) =>
    request<Detail>("POST", "/api/sessions", language ? { title, language } : { title }),
  session: (sessionId: string) => request<Detail>("GET", `/api/sessions/${id(sessionId)}`),
  renameSession: (sessionId: string, title: string) =>
    request<Detail>("PATCH", `/api/sessions/${id(sessionId)}`, { title }),
  endSession: (sessionId: string) => request<Detail>("POST", `/api/sessions/${id(sessionId)}/end`, {}),

  status: () => request<{ items: StatusItem[]; counters: Record<string, number> }>("GET", "/api/status"),
};
