import { keep } from "./keep";

export async function waits(count: number): Promise<unknown[]> { // allocates "waits" 4000
  return keep(new Array(count));
}

export const waitsToo = async (count: number): Promise<unknown[]> => keep(new Array(count)); // allocates "waitsToo" 4100

export function* yields(count: number): Generator<unknown[]> { // allocates "yields" 4200
  yield keep(new Array(count));
}

export async function afterwards(count: number): Promise<void> { // allocates "afterwards" 4300
  await null;
  keep(new Array(count));
}
