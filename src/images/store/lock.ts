// Locks the store, so that one process at a time has it open: emptying tmp/ would pull half-made layers from under
// another's feet. The lock is a file that names its process; it is stale when that process is gone. Start times tell
// a process from a later one with the same pid.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';

export interface StoreLock {
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly startTime: string;
}

const attempts = 5;

export async function lockStore(file: string): Promise<StoreLock> {
  const mine = `${process.pid} ${startTimeOf(process.pid) ?? 'unknown'} ${randomBytes(8).toString('hex')}\n`;
  const candidate = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(candidate, mine, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (await tryLink(candidate, file)) return { release: () => release(file, mine) };
      await removeStale(file);
    }
    throw new DockershError('E_BUSY', { what: `lock ${file}`, why: 'other processes compete for it' });
  } finally {
    await rm(candidate, { force: true });
  }
}

/** link(2) either makes the name or fails: no two processes can both succeed. */
async function tryLink(candidate: string, file: string): Promise<boolean> {
  try {
    await link(candidate, file);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

async function removeStale(file: string): Promise<void> {
  const text = await ifThere(readFile(file, 'utf8'));
  if (text === undefined) return;
  const owner = parseOwner(text);
  if (owner !== undefined && startTimeOf(owner.pid) === owner.startTime) {
    throw new DockershError('E_BUSY', {
      what: `the image store ${file.replace(/\/lock$/, '')}`,
      why: `process ${owner.pid} has it open`,
      hint: 'Stop the other dockershd, or give this one another state folder.',
    });
  }
  // Moved aside and looked at again: between reading and here another process may have taken over.
  const aside = `${file}.stale.${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return;
    throw error;
  }
  if ((await ifThere(readFile(aside, 'utf8'))) !== text) await tryLink(aside, file);
  await rm(aside, { force: true });
}

async function release(file: string, mine: string): Promise<void> {
  if ((await ifThere(readFile(file, 'utf8'))) === mine) await rm(file, { force: true });
}

function parseOwner(text: string): Owner | undefined {
  const match = /^([0-9]+) (\S+) /.exec(text);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { pid: Number(match[1]), startTime: match[2] };
}

/** Undefined where it has ended. Field 22 of /proc/PID/stat (proc_pid_stat(5)); the name in field 2 may hold blanks and parentheses. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has nothing open any more, however long its parent takes to reap it.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
