// Reads settings of the kernel that are not single numbers.

import { readFile } from 'node:fs/promises';
import { hasErrno } from '../../../lib/errors.ts';

/** By its path below /proc/sys, for an interface's name may have dots; undefined: there is no such setting. */
export async function sysctlText(setting: string): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/sys/${setting}`, 'utf8')).trim();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    return undefined;
  }
}

/** "32768\t60999". */
export function portRange(
  text: string | undefined,
): { readonly first: number; readonly last: number } | undefined {
  const [, first, last] = /^(\d+)\s+(\d+)$/.exec(text ?? '') ?? [];
  return first === undefined || last === undefined ? undefined : { first: Number(first), last: Number(last) };
}
