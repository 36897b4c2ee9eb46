// Asks the kernel by way of dockersh-probe (native/probe/main.c), which does what a sandbox's start does.

import { existsSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { hasErrno } from '../../lib/errors.ts';
import { runCommand } from '../host/command.ts';
import type { Mount } from '../host/mounts.ts';

const answer = z.strictObject({ probe: z.string(), works: z.boolean(), text: z.string() });
export type ProbeAnswer = z.infer<typeof answer>;
export type ProbeAnswers = ReadonlyMap<string, ProbeAnswer>;

export async function runProbe(
  program: string,
  state: string,
  mounts: readonly Mount[],
): Promise<ProbeAnswers> {
  const cgroup = await throwAwayCgroup(mounts);
  try {
    const outcome = await runCommand(program, [existingFolder(state), cgroup ?? '-']);
    const lines = (outcome?.stdout ?? '').split('\n').filter((line) => line !== '');
    const answers = lines.map((line) => answer.parse(JSON.parse(line)));
    return new Map(answers.map((one) => [one.probe, one]));
  } finally {
    if (cgroup !== undefined) await rmdir(cgroup);
  }
}

/** Before the first start of the daemon there is no state folder, but the file system that it will be on. */
function existingFolder(folder: string): string {
  return existsSync(folder) ? folder : existingFolder(dirname(folder));
}

async function throwAwayCgroup(mounts: readonly Mount[]): Promise<string | undefined> {
  const mount = mounts.find(({ type }) => type === 'cgroup2');
  if (mount === undefined) return undefined;
  try {
    return await mkdtemp(join(mount.path, 'dockersh-probe-'));
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) return undefined; // the probe then says that it can't be
    throw error;
  }
}
