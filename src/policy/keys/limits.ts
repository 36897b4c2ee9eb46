// The keys of the limits that cgroups hold, out of their table. Pure.

import type * as z from 'zod';
import type { Accepts } from '../../limits/entry.ts';
import { type LimitKey, type LimitValue, limitEntries } from '../../limits/limits.ts';
import type { KeySpec } from '../section-schema.ts';
import { cpuLimit, oneOf, sizeLimit, wholeNumber } from '../values/basic.ts';
import { cpuList } from '../values/sandbox.ts';

function typeOf(accepts: Accepts): KeySpec['type'] {
  switch (accepts.kind) {
    case 'size':
      return sizeLimit(accepts.least);
    case 'number':
      return wholeNumber(accepts.least, accepts.most, accepts.none ? 'none' : undefined);
    case 'cpus':
      return cpuLimit;
    case 'cpuList':
      return cpuList;
    case 'words':
      return oneOf(...accepts.words);
  }
}

function specOf({ accepts, ...entry }: (typeof limitEntries)[number][1]): KeySpec {
  const { defaultText, values, applies, user, doc, example } = entry;
  const type = typeOf(accepts);
  return { type, defaultText, values, applies, doc, example, ...(user === undefined ? {} : { user }) };
}

export const limitKeys = Object.fromEntries(limitEntries.map(([key, entry]) => [key, specOf(entry)])) as {
  readonly [K in LimitKey]: KeySpec & { readonly type: z.ZodType<LimitValue<K>, string> };
};

/** For a sentence. */
export const limitNames = Object.keys(limitKeys).join(', ');
