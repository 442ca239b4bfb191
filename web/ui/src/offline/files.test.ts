// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gone } from "../player/load.ts";
import { byName, type Chosen, loadFrom, present } from "./files.ts";

const file = (path: string, data: number[]): Chosen => ({
  webkitRelativePath: path,
  size: data.length,
  slice: (from, to) => ({ arrayBuffer: async () => new Uint8Array(data.slice(from, to)).buffer }),
});
const files = byName([
  file("copy/tracks/a-mic/e001-s00000.webm", [1, 2, 3, 4]),
  file("copy/manifest.json", [5]),
  file("disc/deeper/tracks/b-mic/e001-s00001.webm", [6]),
]);
const { signal } = new AbortController();

test("files are known by their names within the copy", () => {
  assert.deepEqual([...files.keys()], ["tracks/a-mic/e001-s00000.webm", "tracks/b-mic/e001-s00001.webm"]);
});

test("stretches are read, and what is not as recorded never comes", async () => {
  const load = loadFrom(files);
  assert.deepEqual([...(await load("tracks/a-mic/e001-s00000.webm", 1, 3, 4, signal))], [2, 3]);
  await assert.rejects(load("tracks/a-mic/e001-s00009.webm", 0, 1, 1, signal), Gone);
  await assert.rejects(load("tracks/a-mic/e001-s00000.webm", 0, 4, 5, signal), Gone);
});

test("what is missing is counted", () => {
  const wanted = [
    { url: "tracks/a-mic/e001-s00000.webm", bytes: 4 },
    { url: "tracks/b-mic/e001-s00001.webm", bytes: 2 },
    { url: "tracks/c-mic/e001-s00001.webm", bytes: 2 },
  ];
  assert.equal(present(files, wanted), 1);
});
