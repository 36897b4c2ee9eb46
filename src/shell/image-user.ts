// Turns the User of an image's configuration into ids (OCI image specification, config.md: user, uid, user:group,
// uid:gid …), found in the image's own /etc/passwd and /etc/group, never in what its user has made of them. An image
// is a stranger's work, so whatever it says is looked up or refused. Pure.

import { rangeSize, type SessionIdentity } from '../isolation/engine.ts';

export type ImageUser =
  | { readonly kind: 'ids'; readonly identity: SessionIdentity }
  /** Never given: commands run as the sandbox's user, who may do less. */
  | { readonly kind: 'root' }
  | { readonly kind: 'unknown'; readonly why: string };

export interface Accounts {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

/** As many as a session can have (MAX_GROUPS of native/supervisor/spec.h). */
const mostGroups = 256;
const longestText = 256;

/** Undefined where the image names nobody. */
export function resolveImageUser(text: string | undefined, accounts: Accounts): ImageUser | undefined {
  if (text === undefined || text === '') return undefined;
  const shown = JSON.stringify(text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64));
  const unknown = (why: string): ImageUser => ({ kind: 'unknown', why: `the image's user ${shown} ${why}` });
  const [userPart = '', groupPart, ...more] = text.split(':');
  if (text.length > longestText || more.length > 0 || userPart === '' || groupPart === '') {
    return unknown('is not USER, UID, USER:GROUP or UID:GID');
  }
  const account = findAccount(userPart, accounts.passwd ?? '');
  if (account === undefined) return unknown("is not in the image's /etc/passwd");
  const groups = groupsIn(accounts.group ?? '');
  const gid = groupPart === undefined ? account.gid : findGroup(groupPart, groups);
  if (gid === undefined) return unknown("has a group that is not in the image's /etc/group");
  if (account.uid === 0) return { kind: 'root' };
  if (account.uid >= rangeSize || gid >= rangeSize) return unknown(`has an id above ${rangeSize - 1}`);
  const { uid, name, home } = account;
  // With a group of its own the supplementary ones are left out, as the specification has it.
  const others = groupPart === undefined ? groups.filter(({ members }) => members.includes(name)) : [];
  const ids = [gid, ...others.map((group) => group.gid)].filter((id) => id < rangeSize);
  return { kind: 'ids', identity: { uid, gid, groups: [...new Set(ids)].slice(0, mostGroups), name, home } };
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A number needs no line: then it has group 0, which is nobody's on the host, and no home. */
function findAccount(text: string, passwd: string): Account | undefined {
  const accounts = passwd.split('\n').flatMap((line): Account[] => {
    const [name = '', , uid, gid, , home = ''] = line.split(':');
    const ids = { uid: idOf(uid), gid: idOf(gid) };
    if (name === '' || ids.uid === undefined || ids.gid === undefined) return [];
    return [{ name, uid: ids.uid, gid: ids.gid, home: home.startsWith('/') ? home : '/' }];
  });
  const uid = idOf(text);
  const found = accounts.find((one) => one.name === text) ?? accounts.find((one) => one.uid === uid);
  return found ?? (uid === undefined ? undefined : { name: text, uid, gid: 0, home: '/' });
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function groupsIn(text: string): Group[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , number, members = ''] = line.split(':');
    const gid = idOf(number);
    return name === '' || gid === undefined ? [] : [{ name, gid, members: members.split(',') }];
  });
}

function findGroup(text: string, groups: readonly Group[]): number | undefined {
  return groups.find(({ name }) => name === text)?.gid ?? idOf(text);
}

/** Digits alone, as few as fit 32 bits. */
function idOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
