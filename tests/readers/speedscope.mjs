// Speedscope, as its npm package ships it, imports the files in Chromium. What it made of a file is
// read from what it exports then, which holds exact numbers, and from the table it shows.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import Ajv from "ajv";
import { check, equal, holdsAll } from "./check.mjs";
import { withPage } from "./browser.mjs";
import { readFolded } from "./graphs.mjs";

const release = join(dirname(createRequire(import.meta.url).resolve("speedscope/package.json")), "dist/release");

/** Imports a file, and returns the profiles that Speedscope exports and the rows it shows. */
async function open(context, name, bytes) {
  return withPage(context, pathToFileURL(join(release, "index.html")).href, async (page) => {
    // High, as the table's rows are made as they come into view.
    await page.setViewportSize({ width: 1600, height: 6000 });
    await page.locator("input[type=file]").first().setInputFiles({ name, mimeType: "application/octet-stream", buffer: bytes });
    await page.getByText("Export").waitFor();
    const download = page.waitForEvent("download");
    await page.getByText("Export").click();
    const exported = JSON.parse(readFileSync(await (await download).path(), "utf8"));
    await page.getByText("Sandwich").click();
    // Its heading is a table of its own, as is the list of the profiles.
    const rows = page.locator("table:not(:has(thead)) td:nth-child(3)");
    await rows.first().waitFor();
    const shown = new Set((await rows.allTextContents()).map((text) => text.trim()));
    return { exported, shown, title: await page.title() };
  });
}

/** What a frame is called elsewhere: with its place, unless that is in its name. */
function label({ name, file, line, col }) {
  const place = [file, line, col].filter((part) => part !== undefined).join(":");
  return place === "" || name.endsWith(` ${place}`) ? name : `${name} ${place}`;
}

/** Total and own weights by the frames' labels, from the exported events. */
function weigh(profile, frames) {
  const self = new Map(), total = new Map(), open = [];
  let last = profile.startValue;
  for (const { type, frame, at } of profile.events) {
    if (at !== last) {
      const add = (map, index) => map.set(index, (map.get(index) ?? 0) + at - last);
      if (open.length > 0) add(self, open.at(-1));
      new Set(open).forEach((index) => add(total, index));
      last = at;
    }
    if (type === "O") open.push(frame);
    else if (open.pop() !== frame) throw new Error("events that do not nest");
  }
  const framed = (map) => {
    const labels = new Map();
    for (const [index, value] of map) labels.set(label(frames[index]), (labels.get(label(frames[index])) ?? 0) + value);
    return labels;
  };
  return { weight: profile.endValue - profile.startValue, self: framed(self), total: framed(total) };
}

/** The names of the functions in which, or in whose callees, anything is allocated. */
function allocating(head) {
  const names = new Set();
  const total = ({ callFrame, selfSize, children }) => {
    const size = children.reduce((sum, child) => sum + total(child), selfSize);
    if (size > 0) names.add(callFrame.functionName);
    return size;
  };
  total(head);
  return names;
}

/** Compares the rows of the table, of which the first few hundred can be seen, with all names. */
function compareRows(shown, names) {
  const all = new Set(names);
  if (all.size <= 200) return holdsAll(shown, [...all], "names in the table");
  if (shown.size < 200) throw new Error(`only ${shown.size} of ${all.size} names in the table`);
  return holdsAll(all, [...shown], "names");
}

const byName = ({ name }) => name;
const sum = (map) => [...map.values()].reduce((a, b) => a + b, 0);

export async function checkSpeedscope(context, directory, expected) {
  const bytes = (name) => readFileSync(join(directory, name));

  await check("speedscope: after.speedscope.json by its schema", () => {
    const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(join(release, "file-format-schema.json"), "utf8")));
    const document = JSON.parse(bytes("after.speedscope.json"));
    if (!validate(document)) throw new Error(JSON.stringify(validate.errors.slice(0, 3)));
    for (const { type, name, startValue, endValue, samples, weights } of document.profiles) {
      if (type !== "sampled") continue;
      equal(samples.length, weights.length, `samples of ${name}`);
      equal(weights.reduce((a, b) => a + b, 0), endValue - startValue, `sum of the weights of ${name}`);
    }
    return `${document.profiles.length} profiles, ${document.shared.frames.length} frames`;
  });

  await check("speedscope opens after.speedscope.json", async () => {
    const { exported, shown, title } = await open(context, "after.speedscope.json", bytes("after.speedscope.json"));
    const { frames } = exported.shared;
    const totals = {};
    for (const type of Object.keys(expected.after)) {
      const profiles = exported.profiles.filter(({ name }) => name.includes(type));
      equal(profiles.length, 1, `profiles whose name holds ${type} among ${JSON.stringify(exported.profiles.map(byName))}`);
      equal(profiles[0].unit, type.endsWith("space") ? "bytes" : "none", `unit of ${type}`);
      const { weight, self, total } = weigh(profiles[0], frames);
      equal(weight, expected.after[type], `total of ${type}`);
      equal(sum(self), expected.after[type], `sum of the frames' own ${type}`);
      if (type === "inuse_space") {
        holdsAll(new Set(total.keys()), expected.frames, "frames with a total of inuse_space");
        const folded = readFolded(join(directory, "after.folded")).self;
        for (const frame of expected.frames) {
          equal(self.get(frame) ?? 0, folded.get(frame) ?? 0, `own inuse_space of ${frame}`);
        }
      }
      totals[type] = weight;
    }
    const first = exported.profiles[exported.activeProfileIndex];
    if (!first.name.includes(expected.default_sample_type)) throw new Error(`${first.name} is shown first`);
    const wanted = new Set(expected.frames);
    compareRows(shown, frames.filter((frame) => wanted.has(label(frame))).map(byName));
    return `"${title}", first ${first.name}, ${shown.size} of ${expected.frames.length} frames shown, ${JSON.stringify(totals)}`;
  });

  await check("speedscope opens after.heapprofile", async () => {
    const { exported, shown } = await open(context, "after.heapprofile", bytes("after.heapprofile"));
    const { weight, self } = weigh(exported.profiles[0], exported.shared.frames);
    equal(exported.profiles[0].unit, "bytes", "unit");
    equal(weight, expected.heapprofile.self_size, "total");
    equal(sum(self), expected.heapprofile.self_size, "sum of the frames' own sizes");
    // It leaves out functions in which nothing is allocated, and makes "(anonymous file:line)" of an
    // empty name.
    const names = [...allocating(JSON.parse(bytes("after.heapprofile")).head)].filter((name) => name !== "" && name !== "(root)");
    holdsAll(new Set(exported.shared.frames.map(byName)), names, "functions");
    const functions = new Set(exported.shared.frames.map(byName));
    compareRows(shown, functions);
    return `total ${weight}, ${shown.size} of ${functions.size} functions shown`;
  });

  await check("speedscope opens after.pb.gz", async () => {
    const { exported, shown } = await open(context, "after.pb.gz", bytes("after.pb.gz"));
    const { weight } = weigh(exported.profiles[0], exported.shared.frames);
    equal(weight, expected.after.inuse_space, "total");
    const functions = new Set(exported.shared.frames.map(byName));
    holdsAll(functions, expected.pprof_functions.map(byName), "functions");
    compareRows(shown, functions);
    return `total ${weight}, ${shown.size} of ${functions.size} functions shown`;
  });

  await check("speedscope opens after.folded", async () => {
    const { exported, shown } = await open(context, "after.folded", bytes("after.folded"));
    const { weight } = weigh(exported.profiles[0], exported.shared.frames);
    equal(weight, expected.after.inuse_space, "total");
    compareRows(shown, expected.frames);
    return `total ${weight}, ${shown.size} of ${expected.frames.length} frames shown`;
  });
}
