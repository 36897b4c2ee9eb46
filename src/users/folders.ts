// Finds the users' folders in the state.

import { readdir } from 'node:fs/promises';
import { hasErrno } from '../lib/errors.ts';
import { usersFolder } from './places.ts';

/** Of every user who has something in the state. */
export async function uidsBelow(state: string): Promise<number[]> {
  try {
    const names = await readdir(usersFolder(state));
    return names.filter((name) => /^\d+$/.test(name)).map(Number);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []; // nobody has logged in yet
    throw error;
  }
}
