// The Firefox Profiler's own code reads after.firefox.json, if it is there, by its command line: a
// process that keeps the profile, and commands that ask it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { check, equal, holdsAll } from "./check.mjs";
import { readFolded } from "./graphs.mjs";

const program = join(
  dirname(createRequire(import.meta.url).resolve("@firefox-devtools/profiler-cli/package.json")),
  "dist/profiler-cli.js",
);

export async function checkFirefox(directory, expected, scratch) {
  const file = join(directory, "after.firefox.json");
  if (!existsSync(file)) return;
  const sessions = join(scratch, "firefox");
  mkdirSync(sessions);
  // Otherwise it would ask a server what addresses are called.
  const env = { ...process.env, PROFILER_CLI_SESSION_DIR: sessions, PROFILER_CLI_NO_SYMBOLICATE: "1" };
  const run = (...options) => {
    const { status, stdout, stderr, error } = spawnSync(process.execPath, [program, ...options], {
      encoding: "utf8", env, maxBuffer: 1 << 30, timeout: 60_000,
    });
    if (error) throw error;
    if (status !== 0) throw new Error(`profiler-cli ${options.join(" ")} exited with ${status} and says: ${stdout}${stderr}`);
    return stdout;
  };
  const functions = (strategy) => {
    const answer = JSON.parse(run("thread", "functions", "--json", "--limit", "0", "--strategy", strategy));
    equal(answer.callTreeSummaryStrategy, strategy, "values shown");
    equal(answer.weightType, "bytes", "unit");
    return answer.functions;
  };
  const sum = (shown) => shown.reduce((total, { selfSamples }) => total + selfSamples, 0);

  await check("the Firefox Profiler opens after.firefox.json", () => {
    run("load", file);
    try {
      const threads = JSON.parse(run("thread", "list", "--json")).threads;
      equal(threads.length, 1, "threads");
      const retained = functions("native-retained-allocations");
      equal(sum(retained), expected.after.inuse_space, "retained memory");
      const folded = readFolded(join(directory, "after.folded")).self;
      const self = new Map(retained.map(({ name, selfSamples }) => [name, selfSamples]));
      const frames = expected.frames.filter((frame) => frame !== "(root)");
      holdsAll(new Set(self.keys()), frames, "frames");
      for (const frame of frames) equal(self.get(frame), folded.get(frame) ?? 0, `retained by ${frame} itself`);
      const allocated = functions("native-allocations");
      equal(sum(allocated), expected.after.alloc_space, "allocated memory");
      return `retained ${sum(retained)} by ${retained.length} functions, allocated ${sum(allocated)} by ${allocated.length}`;
    } finally {
      run("stop", "--all");
    }
  });
}
