// Fields of schemas for limits that are shown, and for what is used of them: null is no limit, or not counted.

import { z } from 'zod';
import { limitEntries, type ShownLimits, type UsedOfLimits } from './limits.ts';

const numberOrNull = z.number().nonnegative().nullable();

type Shape<Shown> = { readonly [K in keyof Shown]: typeof numberOrNull };

const shapeOf = <Shown>(names: readonly (string | undefined)[]): Shape<Shown> =>
  Object.fromEntries(
    names.flatMap((name) => (name === undefined ? [] : [[name, numberOrNull]])),
  ) as Shape<Shown>;

export const shownLimitsShape = shapeOf<ShownLimits>(limitEntries.map(([, { shownAs }]) => shownAs));

/** Takes them out of whatever has them among others. */
export const shownOf = (from: ShownLimits): ShownLimits =>
  z.object(shownLimitsShape).parse(from) as ShownLimits;

export const usedShape = shapeOf<UsedOfLimits>(limitEntries.map(([, { used }]) => used?.as));
