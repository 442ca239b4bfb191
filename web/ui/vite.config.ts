// SPDX-License-Identifier: Apache-2.0
// Builds the pages into dist/. Every asset has its digest in its name, so that the server may call it immutable, and a
// compressed sibling, so that the server need not compress while it serves.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const COMPRESSED = /\.(js|css|html|svg)$/;

function compressedSiblings(): Plugin {
  return {
    name: "compressed-siblings",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
        if (!COMPRESSED.test(name)) continue;
        const file = join("dist", name);
        const bytes = readFileSync(file);
        writeFileSync(`${file}.br`, brotliCompressSync(bytes));
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressedSiblings()],
  build: {
    outDir: "dist",
    // dist/.vite/manifest.json: what each page loads, for the budget that a test keeps. The server shows no dot folders.
    manifest: true,
    emptyOutDir: true,
    target: "es2022",
    // Nothing inline: the content security policy allows scripts and styles from files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: {
    // `npm run dev` beside a running Video Home: pages from here, everything else from there.
    proxy: Object.fromEntries(
      ["/api", "/ca"].map((path) => [
        path,
        { target: process.env["VIDEOHOME_URL"] ?? "https://127.0.0.1:8443", secure: false, ws: true },
      ]),
    ),
  },
});
