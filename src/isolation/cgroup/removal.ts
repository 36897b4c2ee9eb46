// Removes cgroups of sandboxes that a killed supervisor left behind.

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
