// node datadog.cjs FILE: profiles the workload with Datadog's profiler for Node.
"use strict";
const fs = require("node:fs");
const zlib = require("node:zlib");
const { heap } = require("@datadog/pprof");
const { run } = require("./workload.cjs");

heap.start(8192, 64);
globalThis.kept = run();
const profile = heap.profile();
heap.stop();
fs.writeFileSync(process.argv[2], zlib.gzipSync(profile.encode()));
