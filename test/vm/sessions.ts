// Twenty sessions of several users with something under way in each, and the proof afterwards that none of
// them noticed what happened meanwhile.

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { describeFinished, Running, waitUntil } from '../fixtures/process.ts';
import type { Guest } from './guest.ts';

export class Sessions implements AsyncDisposable {
  readonly #guest: Guest;
  readonly #all = new AsyncDisposableStack();
  readonly #echoes: Running[] = [];
  readonly #editor: Running;
  readonly #tail: Running;
  readonly #rsync: Running;
  #rounds = 0;

  private constructor(guest: Guest, editor: Running, tail: Running, rsync: Running) {
    this.#guest = guest;
    [this.#editor, this.#tail, this.#rsync] = [editor, tail, rsync].map((each) => this.#all.use(each)) as [
      Running,
      Running,
      Running,
    ];
  }

  static async start(guest: Guest, users: readonly string[]): Promise<Sessions> {
    const [first = '', second = '', third = ''] = users;
    const editor = guest.startSsh(first, 'vi notes.txt', '-tt');
    const tail = guest.startSsh(second, ': >log; echo watching; tail -f log');
    const file = join(guest.folder, 'big');
    await writeFile(file, randomBytes(4_000_000));
    const shell = ['ssh', ...guest.sshOptions()].map((word) => `'${word}'`).join(' ');
    const rsync = new Running('rsync', ['--bwlimit=150', '-e', shell, file, `${third}@guest:big`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent' },
    });
    const sessions = new Sessions(guest, editor, tail, rsync);
    for (let n = 0; n < 17; n++) {
      const terminal = n % 2 === 0 ? [] : ['-tt'];
      const user = users[n % users.length] ?? '';
      sessions.#echoes.push(
        sessions.#all.use(guest.startSsh(user, 'stty -echo 2>/dev/null; exec cat', ...terminal)),
      );
    }
    await tail.waitForOutput('watching');
    await editor.waitForOutput('~');
    editor.process.stdin?.write('ibefore');
    await sessions.answer();
    return sessions;
  }

  /** How many are under way: all, but for a copy that was done already on a slow machine. */
  get open(): number {
    return this.#echoes.length + 2 + (this.#rsync.exited ? 0 : 1);
  }

  /** Every one of them answers now. */
  async answer(): Promise<void> {
    const word = `round ${++this.#rounds}.`;
    for (const echo of this.#echoes) echo.process.stdin?.write(`${word}\n`);
    for (const echo of this.#echoes) await echo.waitForOutput(word);
    await waitUntil(async () => await this.#guest.daemonAnswers(), 'the daemon');
    await this.#guest.sshOk(this.#userOfTail(), `echo '${word}' >>log`);
    await this.#tail.waitForOutput(word);
    expect(this.#rsync.exited && this.#rsync.process.exitCode !== 0, this.#rsync.stderr.toString()).toBe(
      false,
    );
  }

  #userOfTail(): string {
    return this.#tail.process.spawnargs.find((word) => word.endsWith('@guest'))?.split('@')[0] ?? '';
  }

  /** Brings each to its proper end: the file is what was typed, the copy what was sent, the statuses are right. */
  async finish(): Promise<void> {
    this.#editor.process.stdin?.write(', after\u001b:wq\r');
    const edited = await this.#editor.finished();
    expect(edited.code, describeFinished(edited)).toBe(0);
    for (const echo of this.#echoes) {
      echo.process.stdin?.write('\u0004');
      echo.process.stdin?.end();
      expect((await echo.finished()).code).toBe(0);
    }
    const copied = await this.#rsync.finished(120_000);
    expect(copied.code, describeFinished(copied)).toBe(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#all.disposeAsync();
  }
}
