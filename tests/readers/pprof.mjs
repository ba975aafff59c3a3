// Reads gzipped pprof files in two independent ways: `go tool pprof -raw` and npm's pprof-format.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";

// What `go tool pprof` says on standard error without anything being wrong.
const HARMLESS = [/^Main binary filename not available\.$/, /^Generating report in /];

/** Runs `go tool pprof`; anything else that it says on standard error is an error. */
export function goPprof(...options) {
  const { status, stdout, stderr, error } = spawnSync("go", ["tool", "pprof", "-symbolize=none", ...options], {
    encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "pipe"], timeout: 60_000,
  });
  if (error) throw error;
  const complaints = stderr.split("\n").filter((line) => line !== "" && !HARMLESS.some((one) => one.test(line)));
  if (status !== 0 || complaints.length > 0) {
    throw new Error(`go tool pprof ${options.join(" ")} exited with ${status} and says: ${stderr}`);
  }
  return stdout;
}

/** What `go tool pprof -raw` lists, summed. */
export function raw(file) {
  const text = goPprof("-raw", file);
  const lines = text.split("\n");
  const period = lines.find((line) => line.startsWith("Period:"))?.match(/^Period: (-?\d+)$/);
  const start = lines.indexOf("Samples:");
  const end = lines.indexOf("Locations");
  if (start < 0 || end < 0) throw new Error(`unexpected output of pprof -raw:\n${text.slice(0, 500)}`);
  // "alloc_objects/count alloc_space/bytes inuse_space/bytes[dflt]"
  const types = lines[start + 1].trim().split(/\s+/);
  const sample_types = types.map((type) => type.replace(/\[dflt\]$/, "").split("/"));
  const totals = sample_types.map(() => 0);
  let samples = 0;
  for (const line of lines.slice(start + 2, end)) {
    // "     1   512    0    0: 3 2 1"; lines without a colon after the values are labels.
    const found = line.match(/^\s*(-?\d+(?:\s+-?\d+)*): ?[\d ]*$/);
    if (!found) continue;
    samples++;
    found[1].trim().split(/\s+/).forEach((value, index) => (totals[index] += Number(value)));
  }
  const marked = types.find((type) => type.endsWith("[dflt]"));
  return {
    sample_types, totals, samples, period: period ? Number(period[1]) : null,
    default_sample_type: marked ? marked.split("/")[0] : null, text,
  };
}

/** What pprof-format decodes, with everything that is referred to resolved. */
export function decode(file) {
  const bytes = readFileSync(file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) throw new Error(`${file} is not gzipped`);
  const profile = Profile.decode(gunzipSync(bytes));
  const text = (index) => {
    const string = profile.stringTable.strings[Number(index)];
    if (string === undefined) throw new Error(`${file}: no string ${index}`);
    return string;
  };
  const unique = (kind, items) => {
    const map = new Map(items.map((item) => [Number(item.id), item]));
    if (map.has(0)) throw new Error(`${file}: a ${kind} has id 0`);
    if (map.size !== items.length) throw new Error(`${file}: ids of ${kind}s are not unique`);
    return (id) => {
      const item = map.get(Number(id));
      if (!item) throw new Error(`${file}: no ${kind} ${id}`);
      return item;
    };
  };
  if (text(0) !== "") throw new Error(`${file}: the first string is not empty`);
  const mapping = unique("mapping", profile.mapping);
  const location = unique("location", profile.location);
  const func = unique("function", profile.function);
  for (const { name, systemName, filename } of profile.function) [name, systemName, filename].map(text);
  for (const { mappingId, line } of profile.location) {
    if (Number(mappingId)) mapping(mappingId);
    for (const { functionId } of line) func(functionId);
  }
  const sample_types = profile.sampleType.map(({ type, unit }) => [text(type), text(unit)]);
  const totals = sample_types.map(() => 0);
  for (const { locationId, value, label } of profile.sample) {
    if (value.length !== totals.length) throw new Error(`${file}: a sample has ${value.length} values`);
    value.forEach((value, index) => (totals[index] += Number(value)));
    locationId.forEach(location);
    for (const { key, str } of label) [key, str].map(text);
  }
  return {
    sample_types, totals, samples: profile.sample.length, locations: profile.location.length,
    functions: profile.function.length, period: Number(profile.period),
    default_sample_type: text(profile.defaultSampleType) || null, profile, text, func, location,
  };
}
