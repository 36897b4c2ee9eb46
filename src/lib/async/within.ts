// Bounds a wait for something that is ending. Pure.

import { DockershError } from '../errors.ts';

/** Waits for `promise`, but no longer; throws E_STOPPING then. */
export async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DockershError('E_STOPPING')), Math.max(0, ms));
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
