// node expectations.mjs FILE...: writes X.expected.json next to each X.heapprofile or X.pb.gz.
//
// For .heapprofile: "nodes", the sum "self_size", the number of "samples" and their sum
// "samples_size", "max_depth" (edges from the root to the deepest node), and "functions": distinct
// (functionName, scriptId, url, lineNumber, columnNumber), the root's among them.
// For pprof: sample types with units, the sum of each, and the numbers of samples, locations and
// functions as they stand in the file. `go tool pprof` and pprof-format must agree on the sums.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { decode, raw } from "./pprof.mjs";

function heapprofile(file) {
  const { head, samples } = JSON.parse(readFileSync(file, "utf8"));
  const functions = new Set();
  let nodes = 0, self_size = 0, max_depth = 0;
  for (let level = [head], depth = 0; level.length > 0; level = level.flatMap((n) => n.children), depth++) {
    max_depth = depth;
    for (const { callFrame, selfSize } of level) {
      const { functionName, scriptId, url, lineNumber, columnNumber } = callFrame;
      functions.add(JSON.stringify([functionName, scriptId, url, lineNumber, columnNumber]));
      nodes++;
      self_size += selfSize;
    }
  }
  const samples_size = samples?.reduce((sum, { size }) => sum + size, 0);
  return { nodes, self_size, samples: samples?.length, samples_size, max_depth, functions: functions.size };
}

function pprof(file) {
  const { sample_types, totals, samples, locations, functions, period, default_sample_type } = decode(file);
  const listed = raw(file);
  assert.deepEqual(listed.sample_types, sample_types, `${file}: sample types of pprof and pprof-format`);
  assert.deepEqual(listed.totals, totals, `${file}: totals of pprof and pprof-format`);
  assert.equal(listed.period, period, `${file}: period of pprof and pprof-format`);
  return { sample_types, totals, samples, locations, functions, period, default_sample_type };
}

for (const file of process.argv.slice(2)) {
  const [, name, kind] = file.match(/^(.*)\.(heapprofile|pb\.gz)$/);
  const expected = kind === "heapprofile" ? heapprofile(file) : pprof(file);
  assert(expected.functions > 20, `${file}: only ${expected.functions} functions`);
  writeFileSync(`${name}.expected.json`, `${JSON.stringify(expected)}\n`);
  console.log(`${file}: ${JSON.stringify(expected)}`);
}
