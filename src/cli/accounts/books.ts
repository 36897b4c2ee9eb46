// Keeps the books of accounts, in files below the state: those that are enabled, and work under way:
//
//   <state>/accounts/<uid>.json      how it was enabled
//   <state>/accounts/<uid>.journal   something is under way, or was when it was killed

import { readFileSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { CliFailure } from '../failure.ts';
import { Enabled, Journal } from './plan.ts';

export class Books {
  readonly #folder: string;

  constructor(state: string) {
    this.#folder = join(state, 'accounts');
  }

  async enabled(uid: number): Promise<Enabled | undefined> {
    return await this.#read(`${uid}.json`, Enabled);
  }

  async setEnabled(uid: number, enabled: Enabled | undefined): Promise<void> {
    const file = join(this.#folder, `${uid}.json`);
    if (enabled === undefined) await rm(file, { force: true });
    else await writeFileAtomic(file, `${JSON.stringify(enabled)}\n`);
  }

  async enabledUids(): Promise<number[]> {
    const names = await this.#names();
    return names.flatMap((name) => {
      const uid = /^(\d+)\.json$/.exec(name)?.[1];
      return uid === undefined ? [] : [Number(uid)];
    });
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error; // nobody has been enabled
      return [];
    }
  }

  async journals(): Promise<Journal[]> {
    const names = await this.#names();
    const found = names.filter((name) => /^\d+\.journal$/.test(name));
    const journals = await Promise.all(found.map((name) => this.#read(name, Journal)));
    return journals.filter((journal) => journal !== undefined);
  }

  /** Throws E_BUSY where something is under way for the account. */
  async begin(journal: Journal): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#journalFile(journal);
    const draft = `${file}.${process.pid}`;
    await writeFileAtomic(draft, `${JSON.stringify(journal)}\n`);
    try {
      await link(draft, file); // whole at once, and never over another one
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
      throw busy(journal.plan.account.name);
    } finally {
      await rm(draft, { force: true });
    }
  }

  async update(journal: Journal): Promise<void> {
    await writeFileAtomic(this.#journalFile(journal), `${JSON.stringify(journal)}\n`);
  }

  async end(journal: Journal): Promise<void> {
    await rm(this.#journalFile(journal), { force: true });
  }

  #journalFile({ plan }: Journal): string {
    return join(this.#folder, `${plan.account.uid}.journal`);
  }

  async #read<Schema extends z.ZodType>(name: string, schema: Schema): Promise<z.output<Schema> | undefined> {
    const file = join(this.#folder, name);
    const text = await ifThere(readFile(file, 'utf8'));
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(jsonOrNothing(text));
    if (parsed.success) return parsed.data;
    throw new CliFailure({
      code: 'E_INTERNAL',
      message: `${file} can't be read: ${parsed.error.message}`,
      hint: 'Look at the account by hand (getent passwd, its home), then remove the file.',
      exitCode: sysexits.dataErr,
    });
  }
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // SyntaxError: reported as a file that can't be read
  }
}

export function busy(name: string): CliFailure {
  return new CliFailure({
    code: 'E_BUSY',
    message: `another dockershctl is enabling or disabling ${name}`,
    hint: 'Wait for it to end.',
    exitCode: sysexits.tempFail,
  });
}

/** This process, for good: a pid alone may be another process's later. */
export function ownIdentity(): string {
  return `${process.pid} ${startTimeOf(process.pid) ?? ''}`;
}

export function isAlive(identity: string): boolean {
  const [pid = '', startTime] = identity.split(' ');
  return startTimeOf(Number(pid)) === startTime;
}

/** Field 22 of proc_pid_stat(5). */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
