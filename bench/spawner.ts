// The stopwatch (spawn.c) as a process that is asked for one measurement at a time, so that commands can
// take turns and anything may be done between two measurements without being timed.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { buildFolder, checkout } from '../test/fixtures/paths.ts';
import { runOk, within } from '../test/fixtures/process.ts';

export type Kind = 'run' | 'prompt' | 'read' | 'write' | 'numbers' | 'many';

export interface Command {
  uid: number;
  gid: number;
  /** Name of the account; for `many` the names that "{}" stands for, with commas between them. */
  name: string;
  home: string;
  /** Path of the mount namespace to run in, where it is not this process's; or "=PID", for all that process has. */
  mounts?: string;
  argv0?: string;
  file: string;
  args: readonly string[];
}

export interface Measurement {
  us: number;
  /** Exit status; for `many` how many failed. */
  status: number;
  /** Bytes or lines, where the kind counts them. */
  count: number;
}

const source = join(checkout, 'bench/spawn.c');
const program = join(buildFolder, 'bench-spawn');

async function compile(): Promise<void> {
  const made = await stat(program).catch(() => undefined);
  if (made !== undefined && made.mtimeMs > (await stat(source)).mtimeMs) return;
  await mkdir(buildFolder, { recursive: true });
  await runOk('gcc', ['-std=c17', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-o', program, source]);
}

export class Spawner implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(kind: Kind, commands: readonly Command[]): Promise<Spawner> {
    await compile();
    const args = commands.flatMap(({ uid, gid, name, home, mounts = '-', argv0, file, args }) => {
      return ['::', String(uid), String(gid), name, home, mounts, argv0 ?? file, file, ...args];
    });
    return new Spawner(spawn(program, [kind, ...args], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  /** Runs the command with this index once. */
  async measure(index: number, timeoutMs = 300_000): Promise<Measurement> {
    this.#child.stdin.write(`${index}\n`);
    const answer = await within(this.#answers.next(), timeoutMs, () => 'a measurement');
    const [us, status, count] = answer.done === true ? [] : answer.value.split(' ').map(Number);
    if (us === undefined || status === undefined || Number.isNaN(us)) {
      throw new Error('the stopwatch ended without an answer');
    }
    return { us, status, count: count ?? 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.kill('SIGKILL');
    await ended;
  }
}
