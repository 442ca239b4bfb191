// SPDX-License-Identifier: Apache-2.0
// Builds the player that goes with every copy of a recording: one page with everything in it (dist/offline/player.html).
// The server puts the record's description where the mark stands.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

const FOLDER = "dist/offline";

function onePage(): Plugin {
  return {
    name: "one-page",
    apply: "build",
    closeBundle() {
      const read = (ending: string): string =>
        readdirSync(FOLDER)
          .filter((name) => name.endsWith(ending))
          .map((name) => readFileSync(join(FOLDER, name), "utf8"))
          .join("\n");
      // Nothing in a script may end its element.
      const script = read(".js").replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
      const style = read(".css");
      for (const name of readdirSync(FOLDER)) rmSync(join(FOLDER, name));
      const page = [
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        `<title>视频之家</title><style>${style}</style></head><body><div id="app"></div>`,
        `<!--record--><script>${script}</script></body></html>\n`,
      ];
      writeFileSync(join(FOLDER, "player.html"), page.join("\n"));
    },
  };
}

export default defineConfig({
  plugins: [onePage()],
  publicDir: false,
  define: { "process.env.NODE_ENV": '"production"' },
  build: {
    outDir: FOLDER,
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    assetsInlineLimit: 1_000_000,
    modulePreload: false,
    chunkSizeWarningLimit: 2_000,
    lib: { entry: "src/offline/main.tsx", name: "player", formats: ["iife"], fileName: () => "player.js" },
  },
});
