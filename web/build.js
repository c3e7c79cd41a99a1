// Bundles src/ into the package. Run by scripts/build-web; OUT takes another folder.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = process.env.OUT ?? "../src/pibramble/web/static";
const pages = ["console", "gps", "login", "ports"];

await build({
  entryPoints: [...pages.map((page) => `src/${page}.js`), "src/page.css"],
  outdir: out,
  bundle: true,
  format: "esm",
  minify: true,
  target: ["chrome109", "firefox115", "safari16.4"],
  legalComments: "none", // the licences are a file of their own
  logLevel: "warning",
});

const packages = ["@xterm/xterm", "@xterm/addon-search"];
const licences = packages.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`);
writeFileSync(`${out}/LICENCES.txt`, licences.join("\n\n"));

// What it was built from, so that a test finds a forgotten build without node.
const sources = [...readdirSync("src").map((name) => `src/${name}`), "build.js", "package-lock.json"].sort();
const hash = createHash("sha256");
for (const name of sources) hash.update(`${name}\0`).update(readFileSync(name)).update("\0");
writeFileSync(`${out}/built-from.txt`, `${hash.digest("hex")}\n`);
