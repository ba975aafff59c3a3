// node inspector.cjs FILE: profiles the workload through the inspector's protocol, as Chrome's
// DevTools do, and saves the result as they do: the protocol's profile as JSON.
"use strict";
const fs = require("node:fs");
const inspector = require("node:inspector");
const { run } = require("./workload.cjs");

const session = new inspector.Session();
session.connect();
// The session of a program's own thread answers before post() returns.
function post(method, parameters) {
  let answer;
  session.post(method, parameters, (error, result) => {
    if (error) throw new Error(`${method}: ${error.message}`);
    answer = result;
  });
  if (!answer) throw new Error(`${method} did not answer at once`);
  return answer;
}
post("HeapProfiler.enable");
post("HeapProfiler.startSampling", { samplingInterval: 8192 });
globalThis.kept = run();
fs.writeFileSync(process.argv[2], JSON.stringify(post("HeapProfiler.stopSampling").profile));
