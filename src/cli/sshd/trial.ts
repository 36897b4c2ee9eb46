// Tries a change of our file in sshd_config.d before it counts: sshd itself reads the whole configuration as it
// would be, from a copy of its main file that includes the new file in the right place.

import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, matchesGlob } from 'node:path';
import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { runSshd } from '../host/sshd-settings.ts';

export interface Place {
  /** sshd's main file. */
  readonly config: string;
  /** Ours, which it includes. */
  readonly dropIn: string;
}

/** sshd takes the first value it meets: ours is read before what packages and images bring. */
export function placeOf(config: string): Place {
  return { config, dropIn: join(dirname(config), 'sshd_config.d', '10-dockersh.conf') };
}

const includeLine = /^(\s*include[\s=]+)(.*)$/gim;

/** The main file's text with `candidate` in the place of our file; undefined where ours is not included. */
export function withCandidate(
  text: string,
  { config, dropIn }: Place,
  candidate: string | undefined,
): string | undefined {
  let included = false;
  const changed = text.replaceAll(includeLine, (_, head: string, rest: string) => {
    const files = rest.match(/"[^"]*"|[^\s"]+/g) ?? [];
    return (
      files
        .map((file) => file.replaceAll('"', ''))
        // As sshd has it: relative to its own folder.
        .map((file) => (file.startsWith('/') ? file : join(dirname(config), file)))
        .flatMap((pattern) => {
          if (!matchesGlob(dropIn, pattern)) return [pattern];
          included = true;
          const others = globSync(pattern).filter((file) => file !== dropIn);
          return [...others, dropIn].sort().map((file) => (file === dropIn ? candidate : file));
        })
        .map((file) => (file === undefined ? '' : `${head}"${file}"`))
        .join('\n')
    );
  });
  return included ? changed : undefined;
}

/**
 * Runs `look` with the main file of a configuration in which `text` is our file (undefined: there is none).
 * Throws CliFailure where sshd does not accept it.
 */
export async function tryOut<T>(
  place: Place,
  text: string | undefined,
  look: (config: string) => Promise<T>,
): Promise<T> {
  const main = await readFile(place.config, 'utf8');
  const folder = await mkdtemp('/run/dockersh-sshd-');
  try {
    const candidate = join(folder, basename(place.dropIn));
    if (text !== undefined) await writeFile(candidate, text, { mode: 0o600 });
    const changed = withCandidate(main, place, text === undefined ? undefined : candidate);
    if (changed === undefined) throw notIncluded(place);
    const config = join(folder, 'sshd_config');
    await writeFile(config, changed, { mode: 0o600 });
    await requireValid(config, place);
    return await look(config);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function requireValid(config: string, place: Place): Promise<void> {
  const outcome = await runSshd(['-t', '-f', config]);
  if (outcome?.status === 0) return;
  const why = outcome === undefined ? 'this host has no sshd' : complaints(outcome.stderr, config, place);
  throw new CliFailure({
    code: 'E_SSHD_CONFIG',
    message: `sshd does not accept its configuration with this change: ${why}`,
    hint: `Nothing was changed. Correct ${place.config} where sshd -t says so.`,
    exitCode: sysexits.config,
  });
}

/** What sshd says, with the names of the real files. */
function complaints(stderr: string, config: string, { config: main, dropIn }: Place): string {
  const candidate = join(dirname(config), basename(dropIn));
  const lines = stderr.trimEnd().split('\n').slice(0, 3);
  return lines.map((line) => line.trim().replaceAll(candidate, dropIn).replaceAll(config, main)).join('; ');
}

function notIncluded({ config, dropIn }: Place): CliFailure {
  return new CliFailure({
    code: 'E_SSHD_CONFIG',
    message: `${config} does not include ${dropIn}`,
    hint: `Put this line at the top of ${config}: Include ${dirname(dropIn)}/*.conf`,
    exitCode: sysexits.config,
  });
}
