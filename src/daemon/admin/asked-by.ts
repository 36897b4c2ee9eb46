// Remembers, through all that a request of the administrator's sets off, who has asked and with which verb: for the records.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { ByWhom } from '../../isolation/engine.ts';

const asking = new AsyncLocalStorage<ByWhom>();

/** Of the request that the caller works for; empty where there is none. */
export function askedBy(): ByWhom {
  return asking.getStore() ?? {};
}

export async function askedByWhom<T>(byWhom: ByWhom, work: () => Promise<T>): Promise<T> {
  return await asking.run(byWhom, work);
}
