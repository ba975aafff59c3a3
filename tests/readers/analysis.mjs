// `go tool pprof` answers the questions that analysis.json holds the crate's answers to.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check, equal } from "./check.mjs";
import { parseTop } from "./go-pprof.mjs";
import { goPprof } from "./pprof.mjs";

const OPTIONS = ["-trim=false", "-nodecount=0", "-nodefraction=0", "-edgefraction=0", "-sample_index=inuse_space", "-unit=B"];

/** pprof tells functions apart by name alone: flat by name, and cum where only one has the name. */
function byName(rows) {
  const flat = new Map(), cum = new Map();
  // pprof does not show functions without values.
  for (const row of rows.filter(({ cum }) => cum > 0)) {
    cum.set(row.name, flat.has(row.name) ? NaN : row.cum);
    flat.set(row.name, (flat.get(row.name) ?? 0) + row.flat);
  }
  return { flat, cum };
}

/** Throws unless both have the same numbers, but for what sums of floating-point numbers are off by. */
function sameNumbers(found, wanted, what) {
  let compared = 0;
  const said = (numbers) => [...numbers].filter(([, number]) => number !== 0).map(([name]) => name).sort();
  equal(said(found), said(wanted), `functions with ${what}`);
  for (const [name, number] of wanted) {
    if (Number.isNaN(number) || Number.isNaN(found.get(name))) continue;
    const difference = Math.abs((found.get(name) ?? 0) - number);
    if (!(difference < 0.5)) throw new Error(`${what} of ${name}: ${found.get(name)} by pprof, ${number} here`);
    compared++;
  }
  if (compared === 0) throw new Error(`nothing to compare in ${what}`);
  return compared;
}

function sameTop(rows, ...options) {
  const found = parseTop(goPprof("-top", ...OPTIONS, ...options));
  const wanted = byName(rows);
  const compared = [sameNumbers(found.flat, wanted.flat, "flat"), sameNumbers(found.cum, wanted.cum, "cum")];
  return `flat of ${compared[0]} functions, sum ${found.sum}, and cum of ${compared[1]}`;
}

/** Parses -peek of one function: its line, and those of its callers and callees around it. */
function parsePeek(text) {
  // The first part is the heading of the columns.
  const block = text.split(/^-+\+-+$/m).slice(2).filter((part) => part.trim() !== "");
  if (block.length !== 1) throw new Error(`-peek shows ${block.length} functions:\n${text}`);
  const number = (value) => Number(value.match(/^(\d+)B?$/)[1]);
  const peek = { callers: new Map(), callees: new Map() };
  for (const line of block[0].split("\n").filter((line) => line.trim() !== "")) {
    const [left, right] = [line.slice(0, line.indexOf("|")), line.slice(line.indexOf("|") + 1)];
    const numbers = left.trim().split(/\s+/);
    if (right.startsWith("   ")) { // a call is indented: "12B 3.4% |   name"
      peek[peek.name === undefined ? "callers" : "callees"].set(right.trim(), number(numbers[0]));
    } else {
      Object.assign(peek, { name: right.trim(), flat: number(numbers[0]), cum: number(numbers[3]) });
    }
  }
  return peek;
}

export async function checkAnalysis(directory) {
  const [before, after] = ["before", "after"].map((name) => join(directory, `${name}.pb.gz`));
  const analysis = JSON.parse(readFileSync(join(directory, "analysis.json"), "utf8"));
  for (const { options, rows } of analysis.tops) {
    await check(`go tool pprof -top ${options.join(" ")}, against the crate's`, () => sameTop(rows, ...options, after));
  }
  await check("go tool pprof -top of both, against the crate's merge", () => sameTop(analysis.merged, before, after));
  for (const peek of analysis.peeks) {
    await check(`go tool pprof ${peek.options.join(" ")}, against the crate's`, () => {
      const found = parsePeek(goPprof(...OPTIONS, ...peek.options, after));
      equal([found.name, found.flat, found.cum], [peek.name, peek.flat, peek.cum].map((one) => typeof one === "number" ? Math.round(one) : one), "the function");
      // pprof does not show that a function calls itself.
      const calls = (list) => {
        const sums = new Map();
        for (const { name, total } of list.filter(({ name, total }) => name !== peek.name && total > 0)) {
          sums.set(name, (sums.get(name) ?? 0) + total); // no stack has two of one name
        }
        return sums;
      };
      const counts = ["callers", "callees"].map((of) => sameNumbers(found[of], calls(peek[of]), of));
      return `${counts[0]} callers, ${counts[1]} callees`;
    });
  }
}
