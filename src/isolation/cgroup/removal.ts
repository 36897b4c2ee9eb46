// Removes cgroups that killed supervisors left behind.

import { existsSync } from 'node:fs';
import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasErrno } from '../../lib/errors.ts';

/** Whether it is gone, with what users may have made below. */
export async function removeCgroup(folder: string): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeCgroup(path.join(folder, entry.name));
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rmdir(folder);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return true;
      // Something still runs in it; it is not ours to end here.
      if (!hasErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
    }
    if (attempt === 0 && !(await thaw(folder))) return false;
    if (attempt === thawPatience) return false;
    await delay(10);
  }
}

/**
 * Removes what waiting supervisors have left that were killed: on version 1 each has a cgroup in these folders, named after
 * its pid (native/supervisor/supervise.c). One that is only being made belongs to a process that lives.
 */
export async function removeOfKilled(parents: readonly string[]): Promise<void> {
  for (const parent of parents) {
    for (const name of await readdir(parent)) {
      const [, pid] = /^ready-(\d+)$/.exec(name) ?? [];
      for (
        let attempt = 0;
        pid !== undefined && attempt < endPatience && !existsSync(`/proc/${pid}`);
        attempt += 1
      ) {
        if (await removeCgroup(path.join(parent, name))) break;
        await delay(20, undefined, { ref: false }); // what was in it ends with it
      }
    }
  }
}

/** Of 20 ms. */
const endPatience = 50;

/** Of 10 ms: what was killed while it stood still ends now. */
const thawPatience = 100;

/** Lets run on what a supervisor had paused that was killed meanwhile. False: nothing was paused. */
async function thaw(folder: string): Promise<boolean> {
  for (const [file, frozen, command] of freezers) {
    try {
      if (!frozen.test(await readFile(path.join(folder, file), 'utf8'))) continue;
      await writeFile(path.join(folder, file), command);
      return true;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENODEV')) throw error; // another hierarchy, or gone
    }
  }
  return false;
}

/** native/supervisor/control/pause.c has the same for both versions. */
const freezers = [
  ['freezer.state', /^(?:FROZEN|FREEZING)/, 'THAWED'],
  ['cgroup.freeze', /^1/, '0'],
] as const;
