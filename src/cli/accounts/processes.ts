// Finds the processes that run as a user, in whatever namespaces: a session could hide in some of its own. A home is
// not moved while programs use the files in it.

import { readdir, readFile } from 'node:fs/promises';
import { hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { runCommand } from '../host/command.ts';

export interface RunningProcess {
  readonly pid: number;
  readonly name: string;
}

export async function processesOf(uid: number): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => processOf(pid, uid)));
  return found.filter((process) => process !== undefined);
}

/**
 * Ends the user's manager (systemd --user) where it is all that runs: it stays for some seconds after the last log-out, in
 * which nobody is there. With services of the user's own in it, it is left alone.
 */
export async function endIdleManager(uid: number): Promise<void> {
  const running = await processesOf(uid);
  if (running.length === 0) return;
  const groups = await Promise.all(
    running.map(({ pid }) => ifThere(readFile(`/proc/${pid}/cgroup`, 'utf8'))),
  );
  const isManager = (group: string | undefined): boolean =>
    group === undefined || new RegExp(`/user@${uid}\\.service/init\\.scope$`, 'm').test(group);
  if (!groups.every(isManager)) return;
  await runCommand('systemctl', ['stop', `user@${uid}.service`]);
}

async function processOf(pid: string, uid: number): Promise<RunningProcess | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/status`, 'utf8');
    if (!hasUid(text, uid)) return undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined; // it has ended
    throw error;
  }
  return { pid: Number(pid), name: /^Name:\s+(.*)$/m.exec(text)?.[1] ?? '?' };
}

/** Real, effective, saved or file system id. A zombie does nothing any more. */
function hasUid(status: string, uid: number): boolean {
  const ids = /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
  return ids.includes(String(uid)) && !/^State:\s+Z/m.test(status);
}
