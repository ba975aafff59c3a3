// after.svg and diff.svg open in Chromium, as files.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { check, equal, holdsAll } from "./check.mjs";
import { withPage } from "./browser.mjs";
import { readFolded } from "./graphs.mjs";

/** What a flame graph shows: for each frame's box its label, value, change, width, and text. */
async function open(context, file, screenshot) {
  return withPage(context, pathToFileURL(file).href, async (page) => {
    const shown = await page.evaluate(() => {
      const broken = document.querySelector("parsererror");
      if (broken) return { error: broken.textContent };
      const frames = document.querySelector("svg#frames");
      const boxes = [...document.querySelectorAll("svg#frames g")].map((group) => ({
        title: group.querySelector("title")?.textContent,
        text: group.querySelector("text")?.textContent.trim(),
        width: group.querySelector("rect")?.getBoundingClientRect().width,
      }));
      return { root: document.documentElement.localName, total: Number(frames?.getAttribute("total_samples")), boxes };
    });
    if (shown.error) throw new Error(shown.error);
    equal(shown.root, "svg", "root element");
    await page.screenshot({ path: screenshot });
    // "label (1,234 bytes, 5.67%; +1.23%)"
    const boxes = shown.boxes.map(({ title, ...rest }) => {
      const found = title?.match(/^(.*) \(([\d,]+) [^()]*?, ([\d.]+)%(?:; ([+-]?[\d.]+)%)?\)$/s);
      if (!found) throw new Error(`unexpected title ${JSON.stringify(title)}`);
      return { label: found[1], value: Number(found[2].replaceAll(",", "")), change: found[4], ...rest };
    });
    if (boxes.length === 0) throw new Error("no frames");
    // Its own search, which paints what it finds and says how much that is.
    const label = boxes.filter(({ text }) => text)[1]?.label ?? boxes[0].label;
    const matched = await page.evaluate((text) => {
      search(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      return document.getElementById("matched")?.textContent;
    }, label);
    if (!/\d%/.test(matched ?? "")) throw new Error(`searching for ${label} shows ${JSON.stringify(matched)}`);
    return { total: shown.total, boxes };
  });
}

export async function checkFlameGraphs(context, directory, expected, screenshots) {
  // The nodes of the tree of stacks that have at least some share of the total.
  const wide = (share) => {
    const { paths, sum } = readFolded(join(directory, "after.folded"));
    return [...paths].filter(([, value]) => value >= share * sum);
  };

  await check("Chromium opens after.svg", async () => {
    const { total, boxes } = await open(context, join(directory, "after.svg"), join(screenshots, "after.png"));
    equal(total, expected.after.inuse_space, "total");
    // One box for each node of the tree of stacks, but for those too narrow to be seen.
    const key = (label, value) => `${label} ${value}`;
    const shown = new Map();
    for (const { label, value } of boxes) shown.set(key(label, value), (shown.get(key(label, value)) ?? 0) + 1);
    const nodes = wide(0.001);
    for (const [path, value] of nodes) {
      const label = path.split(";").at(-1);
      const left = shown.get(key(label, value)) ?? 0;
      if (left === 0) throw new Error(`no box "${label}" of ${value}; there are ${JSON.stringify([...shown.keys()].slice(0, 5))}`);
      shown.set(key(label, value), left - 1);
    }
    const texts = boxes.filter(({ text, label }) => text && label.startsWith(text.replace(/\.\.$/, "")));
    if (texts.length === 0) throw new Error("no box shows its label");
    const drawn = boxes.reduce((max, { width }) => Math.max(max, width), 0);
    if (!(drawn > 100)) throw new Error(`the widest box is ${drawn} pixels wide`);
    const labels = new Set(boxes.map(({ label }) => label));
    const present = expected.frames.filter((frame) => labels.has(frame)).length;
    return `${boxes.length} boxes, ${nodes.length} of them compared with the stacks, ${present} of ${expected.frames.length} frames, ${texts.length} with text, total ${total}`;
  });

  await check("Chromium opens diff.svg", async () => {
    const { total, boxes } = await open(context, join(directory, "diff.svg"), join(screenshots, "diff.png"));
    equal(total, expected.after.inuse_space, "total"); // as wide as it is now
    const changes = boxes.filter(({ change }) => change !== undefined);
    if (changes.length === 0) throw new Error("no box shows a change");
    const labels = new Set(boxes.map(({ label }) => label));
    const frames = [...new Set(wide(0.01).map(([path]) => path.split(";").at(-1)))];
    holdsAll(labels, frames, "frames of at least 1 %");
    return `${boxes.length} boxes, ${changes.length} with a change, total ${total}, ${frames.length} wide frames present`;
  });
}
