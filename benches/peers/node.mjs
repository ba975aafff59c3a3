// What Node takes to write the call tree in the folder given: as a gzipped pprof profile with
// @datadog/pprof, and as a .heapprofile with JSON.stringify. Prints one line of JSON.
// .ci/bench-peers runs it on the files that `cargo bench --bench formats -- peers` writes.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { gunzipSync } from "node:zlib";
// By file, as the package's main module loads its native addon, which only collecting needs.
import { encode } from "@datadog/pprof/out/src/profile-encoder.js";
import { serializeHeapProfile } from "@datadog/pprof/out/src/profile-serializer.js";

// The CommonJS build, which @datadog/pprof uses.
const { Profile } = createRequire(import.meta.url)("pprof-format");

const WARM_UPS = 5;
const RUNS = 15;

const folder = process.argv[2];
if (folder === undefined) {
    console.error("usage: node node.mjs FOLDER   (with nodes.json and tree.heapprofile)");
    process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));

function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function* nodesOf(root) {
    const pending = [root];
    while (pending.length > 0) {
        const node = pending.pop();
        yield node;
        for (const child of node.children) pending.push(child);
    }
}

/** The tree as the package's addon hands it over: its names, and the fields in its order. */
function addonTree(root) {
    // The addon's strings are V8's own, one object for all nodes of a function, which are quick to
    // hash and compare; those that JSON.parse makes are not.
    const strings = new Map();
    const shared = (string) => {
        if (!strings.has(string)) strings.set(string, string);
        return strings.get(string);
    };
    const convert = (node) => ({
        name: shared(node.name),
        scriptName: shared(node.script_name),
        scriptId: node.script_id,
        lineNumber: node.line_number,
        columnNumber: node.column_number,
        children: node.children.map(convert),
        allocations: node.allocations.map(({ count, size }) => ({ count, sizeBytes: size })),
    });
    return convert(root);
}

/** Conversion and encoding, as heap-profiler.js and its callers do them. */
async function writePprof(root) {
    const start = performance.now();
    const profile = serializeHeapProfile(root, Date.now() * 1e6, 512 * 1024);
    const converted = performance.now();
    const gzipped = await encode(profile);
    const end = performance.now();
    return { gzipped, conversion: converted - start, encoding: end - converted, all: end - start };
}

/** Fails unless all allocations below the root, which the package leaves out, were written. */
function checkPprof(root, gzipped) {
    const profile = Profile.decode(gunzipSync(gzipped));
    let [samples, objects, bytes] = [0, 0, 0];
    for (const node of nodesOf(root)) {
        if (node === root) continue;
        for (const { count, sizeBytes } of node.allocations) {
            samples += 1;
            objects += count;
            bytes += count * sizeBytes;
        }
    }
    const written = (at) => profile.sample.reduce((sum, { value }) => sum + Number(value[at]), 0);
    if (profile.sample.length !== samples || written(0) !== objects || written(1) !== bytes) {
        throw new Error("the pprof profile does not hold the tree's allocations");
    }
}

async function pprof() {
    const root = addonTree(read("nodes.json"));
    const nodes = [...nodesOf(root)].length;
    checkPprof(root, (await writePprof(root)).gzipped);
    const runs = [];
    for (let run = 0; run < WARM_UPS + RUNS; run++) {
        const { gzipped, ...times } = await writePprof(root);
        if (run >= WARM_UPS) runs.push({ ...times, bytes: gzipped.length });
    }
    const medianOf = (name) => median(runs.map((run) => run[name]));
    return {
        nodes,
        datadog_ms: medianOf("all"),
        datadog_conversion_ms: medianOf("conversion"),
        datadog_encode_ms: medianOf("encoding"),
        datadog_nodes_per_s: (nodes / medianOf("all")) * 1000,
        datadog_bytes: medianOf("bytes"),
    };
}

function heapprofile(nodes) {
    const profile = read("tree.heapprofile");
    const found = [...nodesOf(profile.head)].length;
    if (found !== nodes) {
        throw new Error(`${found} nodes in tree.heapprofile, but ${nodes} in nodes.json`);
    }
    const times = [];
    let length;
    for (let run = 0; run < WARM_UPS + RUNS; run++) {
        const start = performance.now();
        const text = JSON.stringify(profile);
        const end = performance.now();
        if (run >= WARM_UPS) times.push(end - start);
        length = text.length;
    }
    const ms = median(times);
    return {
        stringify_ms: ms,
        stringify_nodes_per_s: (nodes / ms) * 1000,
        stringify_chars: length,
    };
}

// One after the other, so that neither's tree is in the heap while the other is timed.
const pprofFigures = await pprof();
const heapprofileFigures = heapprofile(pprofFigures.nodes);
console.log(JSON.stringify({ ...pprofFigures, ...heapprofileFigures, node: process.version }));
