// Looks at files that may be missing.

import { stat } from 'node:fs/promises';
import { hasErrno } from './errors.ts';

/** What was found, or undefined where there is nothing of that name. Any other failure is the caller's. */
export async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** False for a link that leads nowhere, too. */
export async function exists(path: string): Promise<boolean> {
  return (await ifThere(stat(path))) !== undefined;
}
