// node chrome.mjs FILE SCRATCH: profiles a page in Chromium that has the TypeScript compiler at work,
// through the protocol and with the format of its DevTools.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { launch } from "./browser.mjs";

const compiler = createRequire(import.meta.url).resolve("../npm/node_modules/typescript/lib/typescript.js");
const [file, scratch] = process.argv.slice(2);
const browser = await launch(scratch);
try {
  const page = await browser.context.newPage();
  const session = await browser.context.newCDPSession(page);
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.startSampling", { samplingInterval: 8192 });
  await page.addScriptTag({ path: compiler });
  await page.evaluate((source) => {
    const options = { compilerOptions: { target: ts.ScriptTarget.ES5, allowJs: true, sourceMap: true } };
    globalThis.kept = ts.transpileModule(source, options);
  }, readFileSync(compiler, "utf8").slice(0, 300_000));
  const { profile } = await session.send("HeapProfiler.stopSampling");
  writeFileSync(file, JSON.stringify(profile));
} finally {
  await browser.close();
}
