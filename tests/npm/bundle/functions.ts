import { keep } from "./keep";

export function declared(count: number): unknown[] { // allocates "declared" 1000
  return keep(new Array(count));
}

/** A comment of several lines, which the minified program lacks,
 *  so that lines differ. */
export function generic<T extends object>(count: number, ...rest: T[]): unknown[] { // allocates "generic" 1100
  if (rest.length > 3) throw new RangeError("too many");
  return keep(new Array(count));
}

export function outer(count: number) {
  let calls = 0;
  function inner(many: number): unknown[] { // allocates "inner" 1200
    calls += 1;
    return keep(new Array(many));
  }
  const expression = function (many: number): unknown[] { // allocates "expression" 1300
    calls += 1;
    return keep(new Array(many));
  };
  const named = function ownName(many: number): unknown[] { // allocates "ownName" 1400
    calls += 1;
    return many < 0 ? ownName(-many) : keep(new Array(many));
  };
  return [inner(count), expression(count + 100), named(count + 200), calls];
}

export default function (count: number): unknown[] { // allocates "functions_default|default|" 1500
  const local = count * 2;
  return keep(new Array(local / 2));
}
