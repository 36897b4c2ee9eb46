// Builds the programs of a daemon without one defence of the supervisor's (native/test/without.h).

import { chmod, cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFolder, nativeFolder } from '../fixtures/paths.ts';
import { runOk } from '../fixtures/process.ts';

const asTheyAre = [
  'dockersh-init',
  'dockersh-layer',
  'dockersh-relay',
  'dockersh-attack',
  'dockersh-stand-in',
  'addon.node',
];

/** Into a folder of its name, whose path is given. */
export async function buildWithout(name: string, folder: string): Promise<string> {
  const target = join(folder, name);
  await mkdir(target);
  for (const file of asTheyAre) {
    await cp(join(buildFolder, file), join(target, file), { preserveTimestamps: true });
  }
  // PID 1 is nobody's to trace because nobody may read its file.
  if (name === 'dumpable') await chmod(join(target, 'dockersh-init'), 0o755);
  await runOk(
    'make',
    ['-s', '-C', nativeFolder, `BUILD=${target}`, `WITHOUT=${name}`, `${target}/dockersh-supervisor`],
    { timeoutMs: 170_000 },
  );
  return target;
}
