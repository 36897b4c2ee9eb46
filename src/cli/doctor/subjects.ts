// Which accounts have a sandbox. Login shells are in the user database; about ForceCommand only sshd knows, which
// is asked about one account after the other.

import { type Account, isLoginShell, listAccounts } from '../host/accounts.ts';
import { configMentions } from '../host/sshd-files.ts';
import type { Context } from './context.ts';
import { type Subject, samePath, subjectOf } from './subject.ts';

export interface Subjects {
  readonly found: readonly Subject[];
  /** Accounts about which sshd was not asked, because there are so many. */
  readonly left: number;
}

/** Accounts with another login shell about which sshd is asked. */
const mostAsked = 200;
const atOnce = 4;

export async function findSubjects(context: Context): Promise<Subjects> {
  const { client, sshd } = context;
  const hasClient = ({ shell }: Account): boolean => client !== undefined && samePath(shell, client);
  const accounts = (await listAccounts()).filter((account) => account.uid !== 0);
  const byShell = accounts.filter(hasClient);
  // Accounts of services log in nowhere.
  const others = accounts.filter(
    (account) => account.uid >= 1000 && isLoginShell(account.shell) && !hasClient(account),
  );
  const forced = configMentions(sshd.config, 'forcecommand') ? others : [];
  const asked = [...byShell, ...forced.slice(0, mostAsked)];
  const subjects = await inTurns(asked, async (account) => await subjectOf(account, context));
  return {
    found: subjects.filter((subject) => subject.byShell || subject.byForce),
    left: Math.max(0, forced.length - mostAsked),
  };
}

/** A few at once, the results in their order. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(work))));
  }
  return results;
}
