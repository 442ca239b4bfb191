// SPDX-License-Identifier: Apache-2.0
/** Gets the bytes `from` to `to` (exclusive) of a file of `file_bytes`. */
export type Load = (url: string, from: number, to: number, file_bytes: number, signal: AbortSignal) => Promise<Uint8Array>;

/** A file that will never come, however often one asks. */
export class Gone extends Error {}

/** The door to the server: whole files without Range, stretches with. Raises Gone, or any other error for another try. */
export const loadByHttp: Load = async (url, from, to, file_bytes, signal) => {
  const part = from > 0 || to < file_bytes;
  const headers: Record<string, string> = part ? { range: `bytes=${from}-${to - 1}` } : {};
  const answer = await fetch(url, { headers, signal, credentials: "same-origin" });
  // Signed out, or too many requests: that passes. Everything else of this kind stays as it is.
  const passes = answer.status === 401 || answer.status === 408 || answer.status === 429;
  if (answer.status >= 400 && answer.status < 500 && !passes) throw new Gone(`${answer.status}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const wanted = part && answer.status === 200 ? bytes.subarray(from, to) : bytes;
  if (wanted.length !== to - from) throw new Error(`${wanted.length} bytes instead of ${to - from}`);
  return wanted;
};
