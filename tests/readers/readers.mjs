// node readers.mjs DIR SCRATCH: opens the files in DIR in their readers; see .ci/readers.
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { check, equal, finish, holdsAll } from "./check.mjs";
import { decode } from "./pprof.mjs";
import { checkGoPprof } from "./go-pprof.mjs";
import { checkAnalysis } from "./analysis.mjs";
import { checkDot, checkFolded } from "./graphs.mjs";
import { checkFirefox } from "./firefox.mjs";
import { launch } from "./browser.mjs";
import { checkSpeedscope } from "./speedscope.mjs";
import { checkDevTools } from "./devtools.mjs";
import { checkFlameGraphs } from "./flamegraphs.mjs";

const [directory, scratch] = process.argv.slice(2).map((path) => resolve(path));
const screenshots = join(scratch, "screenshots");
mkdirSync(screenshots, { recursive: true });

const expected = JSON.parse(readFileSync(join(directory, "expected.json"), "utf8"));
await check("expected.json", () => {
  // Lists that are empty would make the checks below say nothing.
  const lists = { pprof_functions: expected.pprof_functions, frames: expected.frames, dot_functions: expected.dot_functions, "heapprofile.functions": expected.heapprofile.functions };
  for (const [name, list] of Object.entries(lists)) if (!(list?.length > 0)) throw new Error(`${name} is empty`);
  for (const when of ["before", "after"]) {
    for (const type of ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]) {
      if (!(expected[when][type] > 0)) throw new Error(`${when}.${type} is ${expected[when][type]}`);
    }
  }
  const self = expected.pprof_functions.reduce((sum, { inuse_space }) => sum + inuse_space, 0);
  equal(self, expected.after.inuse_space, "sum of pprof_functions");
  return Object.entries(lists).map(([name, list]) => `${list.length} ${name}`).join(", ");
});

for (const name of ["before", "after"]) {
  await check(`pprof-format decodes ${name}.pb.gz`, () => {
    const { sample_types, totals, samples, locations, functions, period, default_sample_type, profile, text } =
      decode(join(directory, `${name}.pb.gz`));
    equal(Object.fromEntries(sample_types.map(([type], index) => [type, totals[index]])), expected[name], "totals");
    equal(sample_types.map(([, unit]) => unit), ["count", "bytes", "count", "bytes"], "units");
    equal(period, expected.period, "period");
    equal(default_sample_type, expected.default_sample_type, "default sample type");
    equal(new Set(profile.stringTable.strings).size, profile.stringTable.strings.length, "distinct strings");
    if (name === "after") {
      holdsAll(new Set(profile.function.map((one) => text(one.name))), expected.pprof_functions.map((one) => one.name), "functions");
    }
    const type = profile.periodType && [text(profile.periodType.type), text(profile.periodType.unit)].join("/");
    return `${samples} samples, ${locations} locations, ${functions} functions, period ${period} ${type}, default ${default_sample_type}`;
  });
}
await checkGoPprof(directory, expected, scratch);
await checkAnalysis(directory);

await check("after.heapprofile as JSON", () => {
  const { head, samples } = JSON.parse(readFileSync(join(directory, "after.heapprofile"), "utf8"));
  const ids = new Set(), names = new Set();
  let self = 0, nodes = 0;
  for (const stack = [head]; stack.length > 0; nodes++) {
    const { callFrame, selfSize, id, children } = stack.pop();
    equal(Object.keys(callFrame).sort(), ["columnNumber", "functionName", "lineNumber", "scriptId", "url"], "a call frame's keys");
    equal(typeof callFrame.scriptId, "string", "type of scriptId"); // a string in the protocol
    self += selfSize;
    ids.add(id);
    names.add(callFrame.functionName);
    stack.push(...children);
  }
  equal(ids.size, nodes, "distinct ids");
  equal(nodes, expected.heapprofile.nodes, "nodes");
  equal(self, expected.heapprofile.self_size, "sum of selfSize");
  equal(samples.length, expected.heapprofile.samples, "samples");
  holdsAll(names, expected.heapprofile.functions, "functions");
  equal(samples.filter(({ nodeId }) => !ids.has(nodeId)), [], "samples of no node");
  equal(new Set(samples.map(({ ordinal }) => ordinal)).size, samples.length, "distinct ordinals");
  return `${nodes} nodes, self size ${self}, ${samples.length} samples of ${samples.reduce((sum, { size }) => sum + size, 0)}`;
});
await checkFolded(directory, expected);
await checkDot(directory, expected);
await checkFirefox(directory, expected, scratch);

const browser = await launch(scratch);
try {
  await checkFlameGraphs(browser.context, directory, expected, screenshots);
  await checkSpeedscope(browser.context, directory, expected);
  await checkDevTools(browser, directory, expected, screenshots);
} finally {
  await browser.close();
}
finish();
