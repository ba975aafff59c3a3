// node inspector.mjs FILE, or deno run -A inspector.mjs FILE: profiles the workload through the
// inspector's protocol, as Chrome's DevTools do, and saves the result as they do: the protocol's
// profile as JSON.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createRequire } from "node:module";
import process from "node:process";

const { run } = createRequire(import.meta.url)("./workload.cjs");
const session = new Session();
session.connect();
await session.post("HeapProfiler.enable");
await session.post("HeapProfiler.startSampling", { samplingInterval: 8192 });
globalThis.kept = run();
const { profile } = await session.post("HeapProfiler.stopSampling");
writeFileSync(process.argv[2], JSON.stringify(profile));
session.disconnect();
