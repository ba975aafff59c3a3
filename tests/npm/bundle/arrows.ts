import { keep } from "./keep";

export const parenthesised = (count: number): unknown[] => keep(new Array(count)); // allocates "parenthesised" 2000
export const bare = count => keep(new Array(count)); // allocates "bare" 2100

export const block = ( // allocates "block" 2200
  count: number,
): unknown[] => {
  const doubled = count * 2;
  return keep(new Array(doubled / 2));
};

export function callbacks(counts: number[]): unknown[] {
  return counts
    .filter((count) => count > 0)
    .map((count) => keep(new Array(count))) // allocates "" 2300
    .flatMap(
      function (array) { // allocates "" 2400
        return keep(new Array(array.length + 100));
      },
    );
}

export const table = {
  shorthand(count: number): unknown[] { // allocates "shorthand" 2500
    return keep(new Array(count));
  },
  property: function (count: number): unknown[] { // allocates "property" 2600
    return keep(new Array(count));
  },
  arrow: (count: number): unknown[] => keep(new Array(count)), // allocates "arrow" 2700
};
