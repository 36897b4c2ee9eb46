// Brings dockersh-attack (native/attack) into a user's sandbox and reads what it tells: for "doctor --attack" and for
// the tests. The program goes in as the standard input of a command that names it by that, so an image needs
// nothing. It runs as the user there: others of the user's processes can change what it says.

import { existsSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import * as z from 'zod';
import { runCommand } from '../host/command.ts';

/** What the policy gives the sandbox, and who attacks in it. */
export const places = [
  'plain:user',
  'root:user',
  'root:root',
  'nesting:user',
  'nesting:nested',
  'both:user',
  'both:root',
  'both:nested',
] as const;
export type Place = (typeof places)[number];

const row = z.strictObject({
  /** Permanent. */
  name: z.string(),
  tries: z.string(),
  must: z.string(),
  /** noisy: others could feel it where the defence is missing. */
  harm: z.enum(['none', 'noisy']),
  /** Arguments that it can't be made without, with blanks between: somebody outside plays the other part. */
  needs: z.string(),
  /** A file in /proc or /sys which some kernels lack; or empty. */
  kernelFile: z.string(),
  places: z.array(z.enum(places)),
});
export type Attack = z.infer<typeof row>;

const answer = z.strictObject({
  name: z.string(),
  place: z.enum(places),
  result: z.enum(['held', 'open', 'unattempted']),
  detail: z.string(),
});
export type AttackAnswer = z.infer<typeof answer>;

export interface AttackRun {
  /** dockersh-exec, and what it is told of the daemon. */
  readonly exec: string;
  readonly execArgs?: readonly string[];
  /** dockersh-attack, on the host. */
  readonly program: string;
  readonly user: string;
  readonly place: Place;
  /** harmless: those that can hurt nobody and need no part played outside. */
  readonly chosen: 'all' | 'harmless' | readonly string[];
  /** For attacks that need them. */
  readonly args?: Readonly<Record<string, string>>;
  /** Where the program is inside; default: what comes as standard input. */
  readonly inside?: string;
}

const patienceMs = 300_000;

/** The table of attacks. */
export async function listAttacks(program: string): Promise<Attack[]> {
  const outcome = await runCommand(program, ['list']);
  return linesOf(outcome?.stdout ?? '').map((line) => row.parse(JSON.parse(line)));
}

/** An answer for each chosen attack that is made at this place. An attack without one could not be tried. */
export async function runAttacks(run: AttackRun): Promise<AttackAnswer[]> {
  const { exec, execArgs = [], program, user, place, chosen, args = {}, inside = '/proc/self/fd/0' } = run;
  const wanted = (await listAttacks(program)).filter(
    (attack) => attack.places.includes(place) && isChosen(attack, chosen),
  );
  const lacks = wanted.map(({ kernelFile }) => kernelFile).filter((path) => path !== '' && !existsSync(path));
  const facts = { ...hostNamespaces(), 'kernel-lacks': lacks.join(',') };
  const words = Object.entries({ ...facts, ...args }).map(([name, value]) => `${name}=${value}`);
  await using file = await open(program, 'r');
  const outcome = await runCommand(
    exec,
    [...execArgs, user, inside, 'run', place, ...words, ...(typeof chosen === 'string' ? [chosen] : chosen)],
    { stdin: file.fd, timeoutMs: patienceMs },
  );
  const answers = new Map(
    linesOf(outcome?.stdout ?? '')
      .flatMap(answerIn)
      .map((one) => [one.name, one]),
  );
  const why = `no answer; status ${String(outcome?.status)} ${(outcome?.stderr ?? '').slice(-300)}`;
  return wanted.map(
    ({ name }) => answers.get(name) ?? { name, place, result: 'unattempted', detail: why.trim() },
  );
}

/** As /proc shows them: "net:[4026531840]". */
function hostNamespaces(): Record<string, string> {
  const kinds = ['mnt', 'pid', 'user', 'ipc', 'uts', 'cgroup', 'net'];
  return Object.fromEntries(kinds.map((kind) => [`host-${kind}`, readlinkSync(`/proc/self/ns/${kind}`)]));
}

function isChosen(attack: Attack, chosen: AttackRun['chosen']): boolean {
  if (chosen === 'all') return true;
  if (chosen === 'harmless') return attack.harm === 'none' && attack.needs === '';
  return chosen.includes(attack.name);
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** A line that is no answer belongs to no attack; that attack then has none. */
function answerIn(line: string): AttackAnswer[] {
  try {
    const parsed = answer.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch (error) {
    if (error instanceof SyntaxError) return []; // somebody inside has written between
    throw error;
  }
}
