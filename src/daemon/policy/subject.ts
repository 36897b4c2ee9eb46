// Makes of an account what the policy is asked about. Pure.

import { hostname } from 'node:os';
import type { UserRecord } from '../../isolation/engine.ts';
import type { Subject } from '../../policy/expand.ts';

export function subjectOf(user: UserRecord): Subject {
  const { name, uid, gid, home } = user;
  const group = user.groups.find((candidate) => candidate.gid === gid)?.name;
  return {
    name,
    uid,
    group: group === '' ? undefined : group,
    groups: user.groups.map((candidate) => candidate.name).filter((candidate) => candidate !== ''),
    home,
    host: hostname(),
  };
}
