// Finds the users' folders in the state.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../lib/errors.ts';

/** Of every user who has something in the state. */
export async function uidsBelow(state: string): Promise<number[]> {
  try {
    const names = await readdir(path.join(state, 'users'));
    return names.filter((name) => /^\d+$/.test(name)).map(Number);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []; // nobody has logged in yet
    throw error;
  }
}
