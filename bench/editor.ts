// Plays a person at a terminal: one long session in which a line is typed now and then, and its echo and effect are
// timed.

import { systemPath } from '../test/fixtures/host.ts';
import { Terminal } from '../test/fixtures/terminal.ts';
import type { Account } from './contenders.ts';

export class Editor implements AsyncDisposable {
  readonly #terminal: Terminal;
  #count = 0;
  #seen = '';
  #wanted: { readonly text: string; readonly resolve: () => void } | undefined;

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.pty.onData((data) => this.#look(data));
  }

  static async start(client: string, { uid, gid, name, home }: Account): Promise<Editor> {
    const env = {
      ...{ PATH: systemPath, HOME: home, USER: name, LOGNAME: name, SHELL: client },
      ...{ LANG: 'C.UTF-8', TERM: 'xterm-256color' },
    };
    const editor = new Editor(new Terminal(client, [], { uid, gid, cwd: '/', env }));
    await editor.type(60_000);
    return editor;
  }

  /** Adds a line to a file and shows it. What comes back is not what was typed: the shell joins it. */
  async type(timeoutMs: number): Promise<void> {
    const number = ++this.#count;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#seen = '';
    this.#wanted = { text: `line-${number}.`, resolve };
    const timer = setTimeout(() => reject(new Error(`nothing was shown within ${timeoutMs} ms`)), timeoutMs);
    this.#terminal.send(`echo li''ne-${number}. >>notes; tail -n 1 notes\r`);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#wanted = undefined;
    }
  }

  #look(data: string): void {
    this.#seen = (this.#seen + data).slice(-4096);
    if (this.#wanted !== undefined && this.#seen.includes(this.#wanted.text)) this.#wanted.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#terminal[Symbol.asyncDispose]();
  }
}
