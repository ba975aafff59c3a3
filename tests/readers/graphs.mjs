// The text formats: folded stacks, and DOT as Graphviz lays it out.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check, equal, holdsAll } from "./check.mjs";

/** The tree of folded stacks: each node's total by its path, and each frame's own value. */
export function readFolded(file) {
  const text = readFileSync(file, "utf8");
  if (!text.endsWith("\n")) throw new Error("no newline at the end");
  const paths = new Map(), self = new Map(), stacks = new Set();
  let sum = 0;
  for (const line of text.slice(0, -1).split("\n")) {
    const found = line.match(/^(.+) (\d+)$/);
    if (!found) throw new Error(`not 'frame;frame;… number': ${JSON.stringify(line)}`);
    const [, stack, number] = found;
    const value = Number(number), frames = stack.split(";");
    if (frames.some((frame) => frame === "")) throw new Error(`an empty frame: ${JSON.stringify(line)}`);
    // A script that was compiled twice has two functions of one name and place: readers add them up.
    stacks.add(stack);
    sum += value;
    self.set(frames.at(-1), (self.get(frames.at(-1)) ?? 0) + value);
    frames.forEach((_, index) => {
      const path = frames.slice(0, index + 1).join(";");
      paths.set(path, (paths.get(path) ?? 0) + value);
    });
  }
  const frames = new Set([...paths.keys()].map((path) => path.split(";").at(-1)));
  return { sum, paths, self, frames, stacks: stacks.size };
}

export async function checkFolded(directory, expected) {
  await check("after.folded", () => {
    const { sum, frames, stacks } = readFolded(join(directory, "after.folded"));
    equal(sum, expected.after.inuse_space, "sum");
    holdsAll(frames, expected.frames, "frames");
    equal([...frames].filter((frame) => !expected.frames.includes(frame)), [], "unexpected frames");
    return `${stacks} stacks of ${frames.size} frames, sum ${sum}`;
  });
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const decode = (text) => text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) =>
  name ? ENTITIES[name] ?? whole : String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16)));

export async function checkDot(directory, expected) {
  const file = join(directory, "after.dot");
  const dot = (format) => {
    const { status, stdout, stderr, error } = spawnSync("dot", [`-T${format}`, file], { encoding: "utf8", maxBuffer: 1 << 30 });
    if (error) throw error;
    if (status !== 0 || stderr.trim() !== "") throw new Error(`dot -T${format} exited with ${status} and says: ${stderr}`);
    return stdout;
  };
  const holdsNames = (labels) => {
    const missing = expected.dot_functions.filter((name) => !labels.some((label) => label.includes(name)));
    if (missing.length > 0) {
      throw new Error(`no label holds ${JSON.stringify(missing.slice(0, 5))}; there are ${JSON.stringify(labels.slice(0, 5))}`);
    }
    return `each of ${expected.dot_functions.length} functions in a label`;
  };
  let nodes;
  await check("Graphviz: dot -Tplain after.dot", () => {
    const plain = dot("plain").split("\n");
    nodes = plain.filter((line) => line.startsWith("node ")).length;
    const edges = plain.filter((line) => line.startsWith("edge ")).length;
    if (nodes < expected.dot_functions.length) throw new Error(`only ${nodes} nodes`);
    return `${nodes} nodes and ${edges} edges, no warnings`;
  });
  await check("Graphviz: dot -Tsvg after.dot", () => {
    const svg = dot("svg");
    // Each node is a group with one <text> a line.
    const groups = svg.split('class="node"').slice(1).map((group) => group.slice(0, group.indexOf("</g>")));
    equal(groups.length, nodes, "nodes");
    return holdsNames(groups.map((group) => [...group.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => decode(text)).join("\n")));
  });
  await check("Graphviz: labels of after.dot", () => {
    const graph = JSON.parse(dot("json0"));
    return holdsNames((graph.objects ?? []).map(({ label = "" }) => label.replace(/\\[nlr]/g, "\n").replace(/\\(.)/g, "$1")));
  });
}
