// The Firefox Profiler is a web application of which nothing is in the npm registry: what
// after.firefox.json holds is read here by the description of its processed format.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { check, equal, holdsAll } from "./check.mjs";

export async function checkFirefox(directory, expected) {
  const file = join(directory, "after.firefox.json");
  if (!existsSync(file)) return;
  await check("after.firefox.json", () => {
    const bytes = readFileSync(file);
    const profile = JSON.parse(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
    const { preprocessedProfileVersion: version, product } = profile.meta;
    if (!Number.isInteger(version)) throw new Error(`preprocessedProfileVersion is ${version}`);
    let allocated = 0, retained = 0;
    const labels = new Set(), kept = new Map();
    for (const thread of profile.threads) {
      // Newer versions have one set of tables for all threads.
      const table = (name) => thread[name] ?? profile.shared[name];
      const [stackTable, frameTable, funcTable, strings] = ["stackTable", "frameTable", "funcTable", "stringArray"].map(table);
      for (const [name, columns] of Object.entries({ stackTable, frameTable, funcTable, nativeAllocations: thread.nativeAllocations })) {
        for (const [column, values] of Object.entries(columns)) {
          if (Array.isArray(values)) equal(values.length, columns.length, `length of ${name}.${column}`);
        }
      }
      const { weight, stack, memoryAddress, length } = thread.nativeAllocations;
      for (let index = 0; index < length; index++) {
        retained += weight[index];
        allocated += Math.max(weight[index], 0);
        // What is freed is freed at an address where as much was allocated.
        const address = memoryAddress[index];
        const there = (kept.get(address) ?? 0) + weight[index];
        if (there < 0) throw new Error(`more is freed at ${address} than was allocated`);
        kept.set(address, there);
        for (let at = stack[index]; at !== null; at = stackTable.prefix[at]) {
          if (stackTable.prefix[at] !== null && !(stackTable.prefix[at] < at)) throw new Error("a stack before its prefix");
          const label = strings[funcTable.name[frameTable.func[stackTable.frame[at]]]];
          if (typeof label !== "string") throw new Error(`stack ${at} has no name`);
          labels.add(label);
        }
      }
    }
    equal(allocated, expected.after.alloc_space, "allocated memory");
    equal(retained, expected.after.inuse_space, "retained memory");
    holdsAll(labels, expected.frames.filter((frame) => frame !== "(root)"), "frames");
    return `version ${version} of ${product}: allocated ${allocated}, retained ${retained}, ${labels.size} frames`;
  });
}
