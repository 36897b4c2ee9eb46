// Plays those outside while a sandbox is attacked: the host's root and another user in their sandbox, each holding
// things of every kind that processes talk by. What they are is the arguments of attacks.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { Running } from '../fixtures/process.ts';

/** The output of "dockersh-attack hold": NAME=VALUE lines. */
function argumentsIn(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

export class Counterpart implements AsyncDisposable {
  readonly args: Readonly<Record<string, string>>;
  readonly #running: Running;

  private constructor(running: Running, args: Readonly<Record<string, string>>) {
    this.#running = running;
    this.args = args;
  }

  /** Root of the host. */
  static async ofHost(program: string): Promise<Counterpart> {
    return await Counterpart.#start(
      new Running(program, ['hold', 'host'], { stdio: ['pipe', 'pipe', 'pipe'] }),
    );
  }

  /** Somebody in a sandbox of theirs: the program comes in as descriptor 2, so that 0 can end it. */
  static async ofUser(exec: string, program: string, user: string): Promise<Counterpart> {
    const file = openSync(program, 'r');
    try {
      const args = [user, '/proc/self/fd/2', 'hold', 'other'];
      return await Counterpart.#start(new Running(exec, args, { stdio: ['pipe', 'pipe', file] }));
    } finally {
      closeSync(file);
    }
  }

  static async #start(running: Running): Promise<Counterpart> {
    try {
      await running.waitForOutput(/^held$/m, 20_000);
      return new Counterpart(running, argumentsIn(running.stdout.toString()));
    } catch (error) {
      await running[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The numbers that its processes have on the host, of which `pid` is the parent: the argument of an attack. */
  static processes(pid: number): string {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const pids = [String(pid), ...children];
    const strangers = pids.filter(
      (one) => readFileSync(`/proc/${one}/comm`, 'utf8').trim() !== 'dockersh-held',
    );
    if (pids.length < 16 || strangers.length > 0) {
      throw new Error(
        `${String(pids)}: these are not the processes that hold; ${String(strangers)} are others`,
      );
    }
    return pids.join(',');
  }

  get pid(): number {
    return this.#running.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.process.stdin?.end();
    await this.#running.finished(10_000);
  }
}
