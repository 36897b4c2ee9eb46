// What a verb sees of the world outside: the global options, where its output goes, and the daemon.

import type { AdminParams, AdminProgress, AdminResult, AdminVerb } from '../protocol/admin.ts';
import { callAdmin } from './client.ts';
import type { CliFailure } from './failure.ts';
import { type Column, renderTable } from './table.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface GlobalOptions {
  json: boolean;
  socket: string;
}

export interface CliEnvironment {
  stdout: Output;
  stderr: Output;
}

export class Console {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly options: GlobalOptions;

  constructor(environment: CliEnvironment, options: GlobalOptions) {
    this.stdout = environment.stdout;
    this.stderr = environment.stderr;
    this.options = options;
  }

  /** Prints the result: as it is with --json, else as `human` makes it. */
  show<Result>(result: Result, human: (result: Result) => string): void {
    this.stdout.write(this.options.json ? `${JSON.stringify(result, null, 2)}\n` : human(result));
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
    return renderTable(columns, rows, this.stdout.isTTY === true ? this.stdout.columns : undefined);
  }

  fail(failure: CliFailure): void {
    const { code, message, hint } = failure;
    if (this.options.json) {
      this.stderr.write(`${JSON.stringify({ error: { code, message, hint } })}\n`);
      return;
    }
    this.stderr.write(`dockershctl: ${message}\n`);
    this.stderr.write(`dockershctl: ${hint === undefined ? '' : `${hint} `}[${code}]\n`);
  }

  async call<Verb extends AdminVerb>(
    verb: Verb,
    params: AdminParams<Verb>,
    options: { silenceMs?: number; onProgress?: (progress: AdminProgress) => void } = {},
  ): Promise<AdminResult<Verb>> {
    return await callAdmin(verb, params, { socketPath: this.options.socket, ...options });
  }
}
