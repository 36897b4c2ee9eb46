// Fields of schemas for limits that are shown, and for what is used of them: null is no limit, or not counted.

import * as z from 'zod';
import type { Accepts } from './entry.ts';
import { type Limits, limitEntries, type ShownLimits, type UsedOfLimits } from './limits.ts';

const numberOrNull = z.number().nonnegative().nullable();

type Shape<Shown> = { readonly [K in keyof Shown]: typeof numberOrNull };

const shapeOf = <Shown>(names: readonly (string | undefined)[]): Shape<Shown> =>
  Object.fromEntries(
    names.flatMap((name) => (name === undefined ? [] : [[name, numberOrNull]])),
  ) as Shape<Shown>;

function schemaOf(accepts: Accepts) {
  switch (accepts.kind) {
    case 'words':
      return z.enum(accepts.words);
    case 'cpuList':
      return z.string().nullable();
    case 'number':
      return accepts.none ? numberOrNull : z.number().nonnegative();
    default:
      return numberOrNull;
  }
}

/** All limits, each with its value. */
export const limitsShape = Object.fromEntries(
  limitEntries.map(([, { field, accepts }]) => [field, schemaOf(accepts)]),
) as unknown as { readonly [K in keyof Limits]: z.ZodType<Limits[K]> };

export const shownLimitsShape = shapeOf<ShownLimits>(limitEntries.map(([, { shownAs }]) => shownAs));

const shownLimits = z.object(shownLimitsShape);

/** Takes them out of whatever has them among others. */
export const shownOf = (from: ShownLimits): ShownLimits => shownLimits.parse(from) as ShownLimits;

export const usedShape = shapeOf<UsedOfLimits>(limitEntries.map(([, { used }]) => used?.as));
