// What runs as a user on the host. Their files are not touched under the hands of programs that use them.

import { readdir, readFile } from 'node:fs/promises';
import { hasErrno } from '../../lib/errors.ts';

export interface RunningProcess {
  readonly pid: number;
  readonly name: string;
}

export async function processesOf(uid: number): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => processOf(pid, uid)));
  return found.filter((process) => process !== undefined);
}

async function processOf(pid: string, uid: number): Promise<RunningProcess | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/status`, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined; // it has ended
    throw error;
  }
  // Real, effective, saved and file system id: any of them may be the user's.
  const ids = /^Uid:\s+(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? [];
  if (!ids.includes(String(uid)) || /^State:\s+Z/m.test(text)) return undefined;
  return { pid: Number(pid), name: /^Name:\s+(.*)$/m.exec(text)?.[1] ?? '?' };
}
