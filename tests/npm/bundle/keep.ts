// What every function below allocates goes through here, and stays alive.
const kept: unknown[][] = [];
(globalThis as any).kept = kept;

export function keep<T>(array: T[]): T[] {
  kept.push(array);
  return array;
}
