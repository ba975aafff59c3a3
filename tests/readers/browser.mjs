// A Chromium without a window, and pages whose errors are errors of the check.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** A Chromium of its own process, so that it can be ended even if it no longer answers. */
export async function launch(scratch) {
  const profile = mkdtempSync(join(scratch, "chromium-"));
  // On the debugging port it also serves its DevTools.
  const options = [...FLAGS, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"];
  const child = spawn("/usr/bin/chromium", options, { stdio: "ignore" });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let port, path;
  for (let tries = 0; !path; tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error("Chromium does not start");
    await sleep(100);
    try {
      [port, path] = readFileSync(join(profile, "DevToolsActivePort"), "utf8").split("\n");
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  const browser = await chromium.connectOverCDP(`ws://127.0.0.1:${port}${path}`);
  const context = await browser.newContext({ viewport: { width: 1600, height: 1200 }, acceptDownloads: true });
  const close = async () => {
    const ended = once(child, "exit");
    kill();
    await ended;
  };
  return { context, port, version: browser.version(), close };
}

/** Opens `url` and has `use` work with the page; throws once the page throws or opens a dialog. */
export async function withPage(context, url, use) {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const broken = new Promise((_, reject) => {
    page.on("pageerror", (error) => reject(new Error(`the page throws: ${error.message}`)));
    page.on("dialog", (dialog) => {
      reject(new Error(`the page says: ${dialog.message()}`));
      dialog.dismiss().catch(() => {});
    });
    // What Speedscope says when it cannot read a file: the rest is for people.
    page.on("console", (message) => {
      if (message.text().startsWith("Failed to load format")) reject(new Error(message.text()));
    });
  });
  try {
    return await Promise.race([page.goto(url).then(() => use(page)), broken]);
  } finally {
    page.close().catch(() => {});
  }
}
