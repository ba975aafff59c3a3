// Checks that print one line each and are counted; a failed one does not keep the rest from running.
import { stripVTControlCharacters } from "node:util";

let passed = 0, failed = 0;
const LIMIT_MS = 90_000; // a browser may no longer answer

/** Runs `body`, which throws if something disagrees and otherwise returns the figures to print. */
export async function check(name, body) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    const figures = await Promise.race([body(), limit]);
    passed++;
    console.log(`ok      ${name}: ${figures}`);
    return true;
  } catch (error) {
    failed++;
    // Playwright colours what it says.
    const message = stripVTControlCharacters(error.message).trim();
    console.log(`FAILED  ${name}: ${message.replaceAll("\n", "\n        ")}`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}

/** Throws unless `actual` holds each of `expected`, and says how many there were. */
export function holdsAll(actual, expected, what) {
  const missing = expected.filter((one) => !actual.has(one));
  if (missing.length === 0) return `${expected.length} ${what}`;
  const there = [...actual].slice(0, 8);
  throw new Error(`${missing.length} of ${expected.length} ${what} missing, as ${JSON.stringify(missing.slice(0, 5))}; there are ${JSON.stringify(there)}`);
}

export function equal(actual, expected, what) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
  return `${what} ${a}`;
}
