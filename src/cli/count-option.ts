// Reads the value of an option that says how many there may be.

import { InvalidArgumentError } from 'commander';

/** For `.option()`: a whole number from 1 to `most`. */
export const countUpTo =
  (most: number) =>
  (text: string): number => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= 1 && count <= most) return count;
    throw new InvalidArgumentError(`a number from 1 to ${most} is needed.`);
  };
