// Chrome's DevTools open after.heapprofile. Chromium carries them and serves them on its debugging
// port; the process that they are attached to is a Node which does nothing. The profile is loaded
// into the Memory panel as a person would load it, and what the panel shows is read; beyond that,
// DevTools' own model of a sampling heap profile, from the module behind the panel, gives the tree.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check, equal, holdsAll } from "./check.mjs";
import { withPage } from "./browser.mjs";

/** A node process to inspect, and the address of its inspector. */
async function inspected() {
  const child = spawn(process.execPath, ["--inspect=127.0.0.1:0", "-e", "setInterval(() => {}, 1e6)"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  for await (const chunk of child.stderr) {
    text += chunk;
    const found = text.match(/ws:\/\/(\S+)\n/);
    if (found) return { child, address: found[1] };
  }
  throw new Error(`node --inspect says: ${text}`);
}

const MODULE = "/devtools/panels/profiler/profiler.js";

export async function checkDevTools({ context, port }, directory, expected, screenshots) {
  const file = join(directory, "after.heapprofile");
  const { child, address } = await inspected();
  const url = `http://127.0.0.1:${port}/devtools/js_app.html?ws=${address}&panel=heap-profiler`;
  try {
    await check("DevTools' model of after.heapprofile", () =>
      withPage(context, url, async (page) => {
        const model = await page.evaluate(async ([module, text]) => {
          const { HeapProfileView } = await import(module);
          const { root, total, maxDepth } = new HeapProfileView.SamplingHeapProfileModel(JSON.parse(text));
          const nodes = [];
          for (const stack = [root]; stack.length > 0; ) {
            const node = stack.pop();
            nodes.push({ name: node.functionName, self: node.self });
            stack.push(...node.children);
          }
          return { nodes, total, maxDepth };
        }, [MODULE, readFileSync(file, "utf8")]);
        equal(model.total, expected.heapprofile.self_size, "total size");
        // DevTools drop branches in which nothing is allocated.
        const { head } = JSON.parse(readFileSync(file, "utf8"));
        let empty = 0;
        const total = (node) => {
          const size = node.children.reduce((sum, child) => sum + total(child), node.selfSize);
          if (size === 0 && node !== head) empty++;
          return size;
        };
        total(head);
        equal(model.nodes.length, expected.heapprofile.nodes - empty, "nodes");
        const names = new Set(model.nodes.map(({ name }) => name));
        const named = empty > 0 ? expected.heapprofile.functions.filter((name) => names.has(name)) : expected.heapprofile.functions;
        holdsAll(names, named, "functions");
        return `${model.nodes.length} nodes (and ${empty} without allocations), total ${model.total}, ${named.length} functions, depth ${model.maxDepth}`;
      }));

    await check("DevTools' Memory panel loads after.heapprofile", () =>
      withPage(context, url, async (page) => {
        // So high that the table shows all its rows, which are made as they come into view.
        await page.setViewportSize({ width: 1600, height: 1200 + 21 * expected.heapprofile.functions.length });
        const chooser = page.waitForEvent("filechooser");
        await page.getByRole("button", { name: "Load profile" }).last().click();
        await (await chooser).setFiles(file);
        await page.locator('li.profile-sidebar-tree-item[aria-label$="Loaded"]').click();
        const rows = page.locator("tr.data-grid-data-grid-node");
        await rows.first().waitFor();
        await page.screenshot({ path: join(screenshots, "devtools.png"), clip: { x: 0, y: 0, width: 1600, height: 1200 } });
        // "9947056 bytes, 31.75 %" is what a screen reader is told; the text is rounded. The list is
        // that of functions, each with what it allocated itself.
        const shown = await rows.evaluateAll((all) => all.map((row) => ({
          self: Number(row.querySelector(".self-column").getAttribute("aria-label").match(/^\d+/)[0]),
          name: row.querySelector(".function-column").getAttribute("title") || row.querySelector(".function-column").textContent,
        })));
        equal(shown.reduce((sum, { self }) => sum + self, 0), expected.heapprofile.self_size, "sum of what the rows show");
        const { head } = JSON.parse(readFileSync(file, "utf8"));
        const allocating = new Set();
        for (const stack = [head]; stack.length > 0; ) {
          const node = stack.pop();
          if (node.selfSize > 0) allocating.add(node.callFrame.functionName || "(anonymous)");
          stack.push(...node.children);
        }
        const missing = [...allocating].filter((name) => !shown.some((row) => row.name.includes(name)));
        equal(missing, [], "functions without a row");
        return `${shown.length} functions shown, sum ${shown.reduce((sum, { self }) => sum + self, 0)}`;
      }));
  } finally {
    child.kill("SIGKILL");
  }
}
