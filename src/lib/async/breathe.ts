// Lets others have their turn during a long piece of work that waits for nothing.

import { setImmediate } from 'node:timers/promises';

/** So long the event loop is held up between two of their turns. */
const mostMs = 2;
let since = 0;

/** To be awaited between two steps, however small they are: most often it is over at once. */
export async function breathe(): Promise<void> {
  if (performance.now() - since < mostMs) return;
  await setImmediate();
  since = performance.now();
}

/** What `of` makes of each, one after the other, with turns for others in between. */
export async function oneByOne<T, R>(all: readonly T[], of: (one: T) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (const one of all) {
    made.push(await of(one));
    await breathe();
  }
  return made;
}
