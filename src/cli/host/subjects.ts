// Lists the accounts of this host by getent(1), for commands that tell whom a change would affect. dockershctl loads
// no native code, and these commands may take the time of a helper.

import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Subject } from '../../policy/expand.ts';
import type { Account } from './accounts.ts';
import { runCommand } from './command.ts';

/** A directory service that does not answer must not hold up a check of files. */
const patienceMs = 5000;
const namesAtOnce = 500;
const local = new Set(['files', 'compat', 'systemd']);

export interface Accounts {
  readonly users: ReadonlyMap<string, Subject>;
  readonly groups: ReadonlySet<string>;
  /** False: there may be accounts that the name service does not list, or it did not answer. */
  readonly complete: boolean;
}

/** All accounts that can be listed, and those of `wanted` that can't. */
export async function readAccounts(wanted: Iterable<string> = []): Promise<Accounts> {
  const onlyLocal = await isLocal();
  const passwd = await lines('passwd');
  const group = await lines('group');
  let complete = passwd !== undefined && group !== undefined;
  const entries = new Map((passwd ?? []).map((line) => [nameOf(line), line]));
  const missing = onlyLocal ? [] : [...wanted].filter((name) => !entries.has(name));
  for (let at = 0; complete && at < missing.length; at += namesAtOnce) {
    const found = await lines('passwd', missing.slice(at, at + namesAtOnce));
    complete = found !== undefined;
    for (const line of found ?? []) entries.set(nameOf(line), line);
  }
  const groups = groupsOf(group ?? []);
  return {
    users: new Map([...entries].map(([name, line]) => [name, subjectOf(line, groups)])),
    groups: new Set(groups.byId.values()),
    complete,
  };
}

/** One account as the policy sees it, with the groups that the name service gives it. */
export async function subjectOfAccount({ name, uid, gid, home }: Account): Promise<Subject> {
  const ids = await runCommand('id', ['-G', '--', name]);
  const gids = (ids?.stdout ?? String(gid)).split(/\s+/).filter((id) => /^\d+$/.test(id));
  const { byId } = groupsOf((await lines('group', gids)) ?? []);
  const groups = gids.map((id) => byId.get(id)).filter((group) => group !== undefined);
  return { name, uid, group: byId.get(String(gid)), groups, home, host: hostname() };
}

interface Groups {
  readonly byId: ReadonlyMap<string, string>;
  readonly byMember: ReadonlyMap<string, readonly string[]>;
}

function groupsOf(lines: readonly string[]): Groups {
  const byMember = new Map<string, string[]>();
  const byId = new Map<string, string>();
  for (const line of lines) {
    const [name = '', , gid = '', members = ''] = line.split(':');
    byId.set(gid, name);
    for (const member of members.split(',').filter((text) => text !== '')) {
      const known = byMember.get(member);
      if (known === undefined) byMember.set(member, [name]);
      else known.push(name);
    }
  }
  return { byId, byMember };
}

function subjectOf(line: string, { byId, byMember }: Groups): Subject {
  const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
  const group = byId.get(gid);
  const groups = [...new Set([...(group === undefined ? [] : [group]), ...(byMember.get(name) ?? [])])];
  return { name, uid: Number(uid), group, groups, home, host: hostname() };
}

const nameOf = (line: string): string => line.slice(0, line.indexOf(':'));

/** Undefined where the name service did not answer. */
async function lines(database: string, keys: readonly string[] = []): Promise<string[] | undefined> {
  const outcome = await runCommand('getent', [database, '--', ...keys], { timeoutMs: patienceMs });
  // 2: some of the keys are nobody's; the others are there all the same.
  if (outcome === undefined || (outcome.status !== 0 && outcome.status !== 2)) return undefined;
  return outcome.stdout.split('\n').filter((line) => line !== '');
}

/** Whether every account is in a file, so that nobody is missing from the list. */
async function isLocal(): Promise<boolean> {
  const text = await readFile('/etc/nsswitch.conf', 'utf8').catch(() => ''); // without it, libc has its own list
  const services = /^passwd:(.*)$/m.exec(text)?.[1]?.replaceAll(/\[[^\]]*\]/g, ' ') ?? '';
  const names = services.split(/\s+/).filter((name) => name !== '');
  return names.length > 0 && names.every((name) => local.has(name));
}
