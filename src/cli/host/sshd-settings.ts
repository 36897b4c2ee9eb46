// Reads sshd's settings for one user, as sshd itself works them out ("sshd -T -C …", sshd(8)).

import { mkdir } from 'node:fs/promises';
import type { ChildOutcome } from '../../lib/child-outcome.ts';
import { connectionText, nobodysAddress } from '../../lib/sshd/connection-text.ts';
import type { Account } from './accounts.ts';
import { runCommand } from './command.ts';

export interface SshdQuestion {
  /** The configuration file. */
  readonly config: string;
  /** Where the login comes from; matters to "Match Address". */
  readonly from: string;
}

export class SshdSettings {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** Of lines as "sshd -T" prints them. */
  static parse(text: string): SshdSettings {
    const values = new Map<string, string[]>();
    for (const line of text.split('\n')) {
      const [, key = '', value = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
      if (key !== '') values.set(key.toLowerCase(), [...(values.get(key.toLowerCase()) ?? []), value]);
    }
    return new SshdSettings(values);
  }

  /** The value of a setting that has one; '' where this sshd does not know it. */
  value(key: string): string {
    return this.#values.get(key)?.[0] ?? '';
  }

  /** Of a setting that may be there several times. */
  all(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  isNo(key: string): boolean {
    return ['no', 'none', ''].includes(this.value(key).toLowerCase());
  }
}

export type SshdAnswer =
  | { readonly ok: true; readonly settings: SshdSettings }
  | { readonly ok: false; readonly absent: boolean; readonly problem: string };

export const defaultQuestion: SshdQuestion = { config: '/etc/ssh/sshd_config', from: nobodysAddress };

/** What holds for the user. */
export async function sshdSettings(
  account: Pick<Account, 'name'>,
  { config, from }: SshdQuestion,
): Promise<SshdAnswer> {
  const connection = connectionText(account.name, from);
  if (connection === undefined) {
    return { ok: false, absent: false, problem: `sshd -C cannot be asked about the name "${account.name}"` };
  }
  const outcome = await runSshd(['-T', '-f', config, '-C', connection]);
  if (outcome === undefined) return { ok: false, absent: true, problem: 'this host has no sshd' };
  if (outcome.status === 0) return { ok: true, settings: SshdSettings.parse(outcome.stdout) };
  return { ok: false, absent: false, problem: `sshd -T says: ${lastLine(outcome.stderr)}` };
}

/**
 * Runs sshd in one of its modes that only look. It refuses those as well where its empty folder is missing, as it
 * is before the first connection to a socket of systemd's: then the folder is made, as its own service would.
 */
export async function runSshd(args: readonly string[]): Promise<ChildOutcome | undefined> {
  const outcome = await runCommand('sshd', args);
  const missing = /Missing privilege separation directory: (\/(?:var\/)?run\/sshd)$/m.exec(
    outcome?.stderr ?? '',
  );
  if (missing?.[1] === undefined || process.geteuid?.() !== 0) return outcome;
  await mkdir(missing[1], { recursive: true, mode: 0o755 });
  return await runCommand('sshd', args);
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}
