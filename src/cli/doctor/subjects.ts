// Finds the accounts that have a sandbox. Login shells are in the user database; about ForceCommand only sshd knows,
// which is asked about one account after the other.

import { inParallel } from '../../lib/async/parallel.ts';
import { configMentions } from '../../lib/sshd/config-text.ts';
import { Books } from '../accounts/books.ts';
import { type Account, isLoginShell, listAccounts, lookUpAccount } from '../host/accounts.ts';
import { sshdSettings } from '../host/sshd-settings.ts';
import { installedEntries } from '../sshd/change.ts';
import { placeOf } from '../sshd/trial.ts';
import { type HostFacts, type Subject, samePath, subjectOf } from './subject.ts';

export interface Subjects {
  readonly found: readonly Subject[];
  /** Accounts about which sshd was not asked, because there are so many. */
  readonly left: number;
}

/** Accounts with another login shell about which sshd is asked. */
const mostAsked = 200;
const atOnce = 4;

export async function findSubjects(host: HostFacts): Promise<Subjects> {
  const { client, sshd } = host;
  const hasClient = ({ shell }: Account): boolean => client !== undefined && samePath(shell, client);
  const accounts = (await listAccounts()).filter((account) => account.uid !== 0);
  const byShell = accounts.filter(hasClient);
  // Accounts of services log in nowhere.
  const others = accounts.filter(
    (account) => account.uid >= 1000 && isLoginShell(account.shell) && !hasClient(account),
  );
  const forced = configMentions(sshd.config, 'forcecommand') ? others : [];
  const known = new Set([...byShell, ...forced].map(({ uid }) => uid));
  const named = (await namedAccounts(host)).filter(({ uid }) => !known.has(uid));
  const asked = [...byShell, ...named, ...forced.slice(0, mostAsked)];
  const [first] = asked;
  // Without a Match, sshd has one answer; and it takes its time for each.
  const isSame = first !== undefined && !configMentions(sshd.config, 'match');
  const answer = isSame ? await sshdSettings(first, sshd) : undefined;
  const ofAll = answer?.ok === true ? answer : undefined;
  const subjects = await inParallel(
    asked,
    atOnce,
    undefined,
    async (account) => await subjectOf(account, host, ofAll),
  );
  return {
    found: subjects.filter((subject) => subject.byShell || subject.byForce),
    left: Math.max(0, forced.length - mostAsked),
  };
}

/** Those that we were told of by name: directories often list nobody. */
async function namedAccounts(host: HostFacts): Promise<Account[]> {
  if (!host.isRoot) return [];
  const { state } = await host.paths();
  const entries = await installedEntries(placeOf(host.sshd.config));
  const users = [
    ...(await new Books(state).enabledUids()).map(String),
    ...entries.filter(({ kind }) => kind !== 'group').map(({ name }) => name),
  ];
  const found = await inParallel(users, atOnce, undefined, lookUpAccount);
  const accounts = found.filter((account) => account !== undefined);
  return [...new Map(accounts.map((account) => [account.uid, account])).values()];
}
