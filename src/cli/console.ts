// The surroundings of a verb, passed to each: the global options, where its output goes, and the daemon.

import { createInterface } from 'node:readline/promises';
import { fullStop, sysexits } from '../lib/errors.ts';
import { printableJson, printableLines } from '../lib/text/printable.ts';
import { type Column, renderTable } from '../lib/text/table.ts';
import type { AdminParams, AdminResult, AdminVerb } from '../protocol/admin.ts';
import { type CallOptions, callAdmin, detachAdmin } from './client.ts';
import { CliFailure } from './failure.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };

export const defaultSocket = '/run/dockersh/admin.sock';

export interface GlobalOptions {
  json: boolean;
  socket: string;
}

export interface CliEnvironment {
  stdout: Output;
  stderr: Output;
  /** Where questions are answered; without it there is nobody to ask. */
  stdin?: Input | undefined;
}

export class Console {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly options: GlobalOptions;
  readonly stdin: Input | undefined;

  constructor(environment: CliEnvironment, options: GlobalOptions) {
    this.stdout = environment.stdout;
    this.stderr = environment.stderr;
    this.options = options;
    this.stdin = environment.stdin;
  }

  /** Prints the result: as it is with --json, else as `human` makes it. */
  show<Result>(result: Result, human: (result: Result) => string): void {
    this.stdout.write(this.options.json ? `${printableJson(result, 2)}\n` : human(result));
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
    // A terminal that was never told its size says that it is 0.
    return renderTable(
      columns,
      rows,
      this.stdout.isTTY === true ? this.stdout.columns || undefined : undefined,
    );
  }

  fail(failure: CliFailure): void {
    const { code, message, hint } = failure;
    if (this.options.json) {
      this.stderr.write(`${printableJson({ error: { code, message, hint } })}\n`);
      return;
    }
    this.stderr.write(printableLines(fullStop(message), 'dockershctl: '));
    this.stderr.write(printableLines(`${hint === undefined ? '' : `${hint} `}[${code}]`, 'dockershctl: '));
  }

  async call<Verb extends AdminVerb>(
    verb: Verb,
    params: AdminParams<Verb>,
    options: Omit<CallOptions<Verb>, 'socketPath'> = {},
  ): Promise<AdminResult<Verb>> {
    return await callAdmin(verb, params, { socketPath: this.options.socket, ...options });
  }

  /** As detachAdmin has it. */
  async detach<Verb extends AdminVerb>(verb: Verb, params: AdminParams<Verb>): Promise<number> {
    return await detachAdmin(verb, params, { socketPath: this.options.socket });
  }

  /** Returns when somebody at a terminal has agreed to what `warning` says. Throws CliFailure otherwise. */
  async confirm(warning: string): Promise<void> {
    const input = this.stdin;
    if (input?.isTTY !== true || this.stderr.isTTY !== true) {
      throw new CliFailure({
        code: 'E_USAGE',
        message: `${warning} There is no terminal to ask on.`,
        hint: 'Say --yes when that is what you want.',
        exitCode: sysexits.usage,
      });
    }
    this.stderr.write(`${printableLines(warning, '')}Go on? [y/N] `);
    const lines = createInterface({ input, terminal: false });
    try {
      const answer = await lines[Symbol.asyncIterator]().next();
      if (answer.done !== true && /^y(es)?$/i.test(answer.value.trim())) return;
    } finally {
      lines.close();
    }
    throw new CliFailure({ code: 'E_CANCELED', message: 'nothing was done', exitCode: 1 });
  }
}
