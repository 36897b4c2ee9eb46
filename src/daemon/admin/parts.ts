// Shared by the handlers of admin verbs: the parts that they work with, and the shape of their table.

import type { ImageStore } from '../../images/store/image-store.ts';
import type { CgroupMode } from '../../isolation/cgroup/host.ts';
import type { Engine, UserRecord } from '../../isolation/engine.ts';
import type { Users } from '../../isolation/users.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { type Uid, uidIn } from '../../lib/values/uid.ts';
import type { AdminParams, AdminPart, AdminProgress, AdminResult, AdminVerb } from '../../protocol/admin.ts';
import type { Accounts } from '../../users/accounts.ts';
import type { UserArchives } from '../../users/archive/archives.ts';
import type { Upgrades } from '../../users/layer/upgrades.ts';
import type { UserLayers } from '../../users/layers.ts';
import type { UserStore } from '../../users/store.ts';
import type { Audit } from '../audit/audit.ts';
import type { LoginHistory } from '../login/history.ts';
import type { OwnSettings } from '../policy/own-settings.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { Recordings } from '../recordings/recordings.ts';
import type { Operations } from './operations.ts';

/** Says what there is of private networks; `network` of the admin protocol. */
export type Networks = () => Promise<AdminResult<'network'>>;

export interface AdminParts {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly layers: UserLayers;
  readonly upgrades: Upgrades;
  readonly accounts: Accounts;
  readonly archives: UserArchives;
  /** Copies of users' keys. */
  readonly keys: { follow(uid: Uid): void };
  readonly users: Users;
  readonly store: UserStore;
  readonly policy: PolicyStore;
  readonly ownSettings: OwnSettings;
  readonly networks: Networks;
  readonly history: LoginHistory;
  readonly audit: Audit;
  readonly recordings: Recordings;
  readonly operations: Operations;
  readonly cgroup: CgroupMode;
  /** A folder of root's for temporary files, emptied when the daemon starts. */
  readonly scratch: string;
  /** Where the daemon's own files are. */
  readonly paths: Omit<AdminResult<'health'>, 'unenforced' | 'policyFault' | 'recordingsWaiting'>;
  /** As that verb has it. */
  readonly unenforced: () => Promise<AdminResult<'health'>['unenforced']>;
  readonly log: Logger;
}

export interface Call {
  readonly progress: (progress: AdminProgress) => void;
  /**
   * Sends a piece of a verb's list; the pieces go out in order, before the result. Wait for it before the next: a
   * client that reads slowly must not have us remember everything meanwhile.
   */
  readonly part: (part: AdminPart<AdminVerb>) => Promise<void>;
  /** Aborted when the client goes, or an administrator cancels the operation. */
  readonly signal: AbortSignal;
}

export type Handlers<Verb extends AdminVerb = AdminVerb> = {
  [Name in Verb]: (params: AdminParams<Name>, call: Call) => Promise<AdminResult<Name>>;
};

/** As the verbs tell it. */
export function faultOf({ policy: { fault } }: AdminParts): AdminResult<'ps'>['policyFault'] {
  return fault === undefined ? null : { since: fault.since, problems: [...fault.problems] };
}

/** As findUser, for what is done with the user's data. Throws E_NOT_FOUND, and E_OWNER where that is another account's. */
export async function findOwner({ users, store }: AdminParts, user: string): Promise<UserRecord> {
  const record = await findUser(users, user);
  await store.owners.require(record);
  return record;
}

/** By name, or by uid where it is a number. Throws E_NOT_FOUND. */
export async function findUser(users: Users, user: string): Promise<UserRecord> {
  const record = await users.find(uidIn(user) ?? user);
  if (record !== undefined) return record;
  throw new DockershError('E_NOT_FOUND', { what: `user ${user}`, why: 'this host knows no such account' });
}
