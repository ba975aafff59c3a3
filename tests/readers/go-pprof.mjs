// `go tool pprof` opens after.pb.gz in the ways that people use it.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { check, equal, holdsAll } from "./check.mjs";
import { goPprof, raw } from "./pprof.mjs";

const UNITS = { alloc_objects: "count", alloc_space: "bytes", inuse_objects: "count", inuse_space: "bytes" };
const TYPES = Object.keys(UNITS);

/** Parses the listing of -top: the type it names, the total of its heading, and by function flat and, where only one has the name, cum. */
export function parseTop(text) {
  const lines = text.split("\n");
  const number = (value) => {
    const found = value.match(/^(-?\d+)B?$/);
    if (!found) throw new Error(`-top prints ${JSON.stringify(value)}, which is no whole number`);
    return Number(found[1]);
  };
  const type = lines.find((line) => line.startsWith("Type: "))?.slice("Type: ".length);
  const total = lines.map((line) => line.match(/ of (\S+) total$/)).find(Boolean);
  const start = lines.findIndex((line) => /^\s+flat\s+flat%\s+sum%\s+cum\s+cum%$/.test(line));
  if (start < 0 || !total) throw new Error(`unexpected output of -top:\n${text}`);
  const flat = new Map(), cum = new Map();
  for (const line of lines.slice(start + 1).filter((line) => line.trim() !== "")) {
    const found = line.match(/^\s*(\S+)\s+\S+%?\s+\S+%?\s+(\S+)\s+\S+%?\s{1,2}(.*)$/);
    if (!found) throw new Error(`unexpected line of -top: ${line}`);
    cum.set(found[3], flat.has(found[3]) ? NaN : number(found[2]));
    flat.set(found[3], (flat.get(found[3]) ?? 0) + number(found[1]));
  }
  const sum = [...flat.values()].reduce((a, b) => a + b, 0);
  return { type, total: number(total[1]), flat, cum, sum };
}

function top(type, ...options) {
  const selected = type ? [`-sample_index=${type}`, `-unit=${UNITS[type]}`] : ["-unit=bytes"];
  return parseTop(goPprof("-top", "-trim=false", ...selected, ...options));
}

export async function checkGoPprof(directory, expected, scratch) {
  const before = join(directory, "before.pb.gz");
  const after = join(directory, "after.pb.gz");
  const self = new Map();
  for (const { name, inuse_space } of expected.pprof_functions) {
    self.set(name, (self.get(name) ?? 0) + inuse_space);
  }

  for (const [name, file] of Object.entries({ before, after })) {
    await check(`go tool pprof -raw ${name}.pb.gz`, () => {
      const listed = raw(file);
      equal(listed.sample_types, TYPES.map((type) => [type, UNITS[type]]), "sample types");
      equal(listed.period, expected.period, "period");
      equal(listed.default_sample_type, expected.default_sample_type, "default sample type");
      const totals = Object.fromEntries(TYPES.map((type, index) => [type, listed.totals[index]]));
      equal(totals, Object.fromEntries(TYPES.map((type) => [type, expected[name][type]])), "totals");
      return `${listed.samples} samples, period ${listed.period}, default ${listed.default_sample_type}, ${JSON.stringify(totals)}`;
    });
  }
  for (const type of TYPES) {
    await check(`go tool pprof -top -sample_index=${type}`, () => {
      const { total, flat, sum, type: named } = top(type, after);
      equal(named, type, "type");
      equal(total, expected.after[type], "total");
      equal(sum, expected.after[type], "sum of flat");
      return `total ${total} in ${flat.size} functions`;
    });
  }
  await check("go tool pprof -top, flat of each function", () => {
    const { flat } = top("inuse_space", after);
    for (const [name, value] of self) equal(flat.get(name), value, `flat of ${name}`);
    const others = [...flat].filter(([name, value]) => value !== 0 && !self.has(name));
    equal(others, [], "unexpected functions");
    return `${self.size} functions`;
  });
  await check("go tool pprof -top without -sample_index", () => {
    const { type, total } = top(null, after);
    equal(type, expected.default_sample_type, "type");
    equal(total, expected.after[expected.default_sample_type], "total");
    return `${type}, ${total}`;
  });
  await check("go tool pprof -top -lines", () => {
    const text = goPprof("-top", "-lines", "-trim=false", "-unit=bytes", "-sample_index=inuse_space", after);
    const { total, flat } = parseTop(text);
    equal(total, expected.after.inuse_space, "total");
    // pprof prints "name file:line". A frame is "name file:line:column"; that may also be the name of
    // an anonymous function.
    const frames = expected.frames.filter((frame) => /:\d+$/.test(frame));
    if (frames.length === 0) throw new Error("no expected frame has a line");
    const names = [...flat.keys()];
    const missing = frames.filter((frame) =>
      !flat.has(frame) && !flat.has(frame.replace(/:\d+$/, "")) && !names.some((name) => name.startsWith(`${frame} `)));
    equal(missing, [], "frames missing");
    return `total ${total}, ${frames.length} frames with their lines`;
  });
  await check("go tool pprof -traces", () => {
    const text = goPprof("-traces", "-unit=bytes", "-sample_index=inuse_space", after);
    const frames = new Set(), leaves = new Set();
    let sum = 0;
    for (const block of text.split(/^-+\+-+$/m).slice(1)) {
      for (const line of block.split("\n").filter((line) => line.trim() !== "")) {
        const found = line.match(/^\s*(?:(-?\d+)B? )?\s+(.*)$/);
        if (!found) throw new Error(`unexpected line of -traces: ${line}`);
        if (found[1] !== undefined) {
          sum += Number(found[1]);
          leaves.add(found[2]);
        }
        frames.add(found[2]);
      }
    }
    equal(sum, expected.after.inuse_space, "sum of the traces");
    holdsAll(leaves, [...self.keys()], "functions at the ends of traces");
    return `sum ${sum}, ${frames.size} functions, ${leaves.size} of them at the ends`;
  });
  for (const type of TYPES) {
    await check(`go tool pprof -diff_base, ${type}`, () => {
      const { sum } = top(type, `-diff_base=${before}`, after);
      return equal(sum, expected.after[type] - expected.before[type], "difference");
    });
  }
  await check("go tool pprof -proto merges", () => {
    const merged = join(scratch, "merged.pb.gz");
    rmSync(merged, { force: true });
    goPprof("-proto", `-output=${merged}`, before, after);
    const { totals, sample_types } = raw(merged);
    equal(sample_types.map(([type]) => type), TYPES, "sample types");
    return equal(totals, TYPES.map((type) => expected.before[type] + expected.after[type]), "totals");
  });
  await check("go tool pprof -svg", () => {
    const svg = goPprof("-svg", "-trim=false", "-sample_index=inuse_space", after);
    if (!svg.includes("</svg>")) throw new Error("no SVG");
    return `${svg.length} characters, laid out by Graphviz`;
  });
}
