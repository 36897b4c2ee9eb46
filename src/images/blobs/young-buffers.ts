// Keeps memory low while bytes are passed on. What is read and decompressed lies in buffers outside of V8's heap and
// is garbage a moment later; V8 by itself lets 64 MiB of it pile up, and then goes through the whole heap. To collect
// the young ones every now and then takes no more time in all, and half the memory.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const intervalBytes = 16 * 1024 * 1024;

let collect: NodeJS.GCFunction | undefined;
let passed = 0;

/** Call with the length of every buffer that has been passed on. */
export function countPassed(bytes: number): void {
  passed += bytes;
  if (passed < intervalBytes) return;
  passed = 0;
  collect ??= collector();
  void collect({ type: 'minor' });
}

/** V8 gives it to contexts that are made after the flag has been set. */
function collector(): NodeJS.GCFunction {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as NodeJS.GCFunction;
}
