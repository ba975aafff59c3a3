// The program whose allocations .ci/foreign has profiled: the TypeScript compiler at work on some of
// its own source. What run() returns is to be kept, so that something is in use when the profile ends.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const typescript = path.join(__dirname, "../npm/node_modules/typescript/lib");

function kept(ts, name) {
  const text = fs.readFileSync(path.join(typescript, name), "utf8");
  return ts.createSourceFile(name, text, ts.ScriptTarget.Latest, /* setParentNodes */ true);
}

function run() {
  const ts = require(path.join(typescript, "typescript.js"));
  const text = fs.readFileSync(path.join(typescript, "_tsserver.js"), "utf8");
  const options = { target: ts.ScriptTarget.ES5, downlevelIteration: true, sourceMap: true };
  const output = ts.transpileModule(text, { compilerOptions: options });
  return [output, kept(ts, "lib.es5.d.ts"), kept(ts, "typescript.d.ts")];
}

module.exports = { run };
if (require.main === module) globalThis.kept = run();
