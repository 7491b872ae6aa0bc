import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** What compresses well lies compressed in the package; the 47 MB viewer lies there only so: every browser takes gzip. */
function compressed(): Plugin {
  let out = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved(config) {
      out = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg|wasm)$/.test(name)) continue;
        const path = join(out, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        if (name.endsWith(".wasm")) rmSync(path);
      }
    },
  };
}

export default defineConfig({
  appType: "mpa",
  base: "/",
  plugins: [compressed()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: "index.html", recording: "recording.html", rerun: "rerun.html" } },
  },
});
