// SPDX-License-Identifier: Apache-2.0
/** Files of a folder that somebody opened from disc, in the player's words: no server, no network. */
import { Gone, type Load } from "../player/load.ts";

/** What the browser tells of a chosen file. */
export interface Chosen {
  /** With the folder's own name in front. */
  readonly webkitRelativePath: string;
  readonly size: number;
  slice(from: number, to: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** The files by their names within the copy, wherever in the chosen folder the copy lies. */
export function byName(files: Iterable<Chosen>): Map<string, Chosen> {
  const found = new Map<string, Chosen>();
  for (const file of files) {
    const at = file.webkitRelativePath.split("/").lastIndexOf("tracks");
    if (at >= 0) found.set(file.webkitRelativePath.split("/").slice(at).join("/"), file);
  }
  return found;
}

/** How many of the wanted files are there with the size that the record says. */
export function present(files: ReadonlyMap<string, Chosen>, wanted: readonly { url: string; bytes: number }[]): number {
  return wanted.filter((segment) => files.get(segment.url)?.size === segment.bytes).length;
}

/** Reads from these files. A file that is not there, or has another size, never comes. */
export function loadFrom(files: ReadonlyMap<string, Chosen>): Load {
  return async (url, from, to, file_bytes, signal) => {
    const file = files.get(url);
    if (!file || file.size !== file_bytes) throw new Gone(url);
    const bytes = new Uint8Array(await file.slice(from, to).arrayBuffer());
    signal.throwIfAborted();
    if (bytes.length !== to - from) throw new Error(`${bytes.length} bytes instead of ${to - from}`);
    return bytes;
  };
}
