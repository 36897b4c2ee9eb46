// The admin verbs about an account's part of the state, and about the parts that are no account's any more.

import type { UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import { below } from '../../lib/values/absolute-path.ts';
import { uidIn } from '../../lib/values/uid.ts';
import type { AccountFolder, accountVerbs } from '../../protocol/admin-accounts.ts';
import { missing } from '../../users/image-at-start.ts';
import type { Account } from '../../users/owners.ts';
import { archiveHandlers } from './archive/archives.ts';
import { type AdminParts, findOwner, findUser, type Handlers } from './parts.ts';

export function accountHandlers(parts: AdminParts): Handlers<keyof typeof accountVerbs> {
  const { accounts, images, policy } = parts;
  const homeRootOf = async (user: UserRecord): Promise<string | null> => {
    await policy.refresh();
    const evaluation = policy.evaluate(user);
    return evaluation.kind === 'ok' ? evaluation.policy.homeRoot : null;
  };
  return {
    'account.look': async ({ user }) => {
      const record = await findOwner(parts, user);
      const state = await accounts.look(record, await homeRootOf(record));
      const evaluation = policy.evaluate(record);
      const given = evaluation.kind === 'ok' ? evaluation.policy : undefined;
      return {
        user: record.name,
        uid: record.uid,
        ...state,
        exempt: given?.exempt === 'yes',
        policy:
          given === undefined
            ? null
            : {
                image: given.image,
                home: given.home,
                network: given.network.kind,
                keys: given.authorizedKeys,
              },
      };
    },
    'account.prepare': async ({ user, files, source }, { signal }) => {
      const record = await findOwner(parts, user);
      const report = await accounts.prepare(record, await homeRootOf(record), files, source, signal);
      parts.keys.follow(record.uid);
      return { user: record.name, ...report };
    },
    'account.giveBack': async ({ user, target }, { signal }) => {
      const record = await findOwner(parts, user);
      const renamed = await accounts.giveBack(record, await homeRootOf(record), target, signal);
      parts.keys.follow(record.uid);
      return { user: record.name, renamed };
    },
    'account.rescue': async ({ user, on }) => {
      const record = await findOwner(parts, user);
      const evaluation = policy.evaluate(record);
      const image = evaluation.kind === 'ok' ? evaluation.policy.rescue : null;
      if (on && image === null) {
        throw new DockershError('E_NOT_FOUND', {
          what: `a rescue image for ${record.name}`,
          why: 'the policy names none',
          hint: 'Set "rescue" in [defaults] or for the user.',
        });
      }
      if (on && image !== null && (await images.resolve(image)) === undefined) throw missing(image);
      return { user: record.name, on, image, stopped: await accounts.setRescue(record, on) };
    },
    'account.discard': async ({ user, ...what }) => {
      const record = await findOwner(parts, user);
      await accounts.discard(record, await homeRootOf(record), what);
      parts.keys.follow(record.uid);
      return { user: record.name };
    },
    ...folderHandlers(parts),
    ...archiveHandlers(parts),
  };
}

function folderHandlers(
  parts: AdminParts,
): Handlers<'account.folders' | 'account.forget' | 'account.rename'> {
  const { accounts, users, store } = parts;
  const { owners } = store;
  return {
    'account.folders': async () => ({ folders: await foldersOf(parts) }),
    'account.forget': async ({ user, keepHome, force }, { signal }) => {
      const owner = await ownerToForget(parts, user);
      if (!force && (await users.find(owner.uid))?.name === owner.name) throw stillThere(owner);
      const { stopped, removed } = await accounts.forget(owner, keepHome, signal);
      const keptHome = keepHome === undefined ? null : below(keepHome, 'home');
      return { user: owner.name, uid: owner.uid, stopped, removed, keptHome };
    },
    'account.rename': async ({ user, to }) => {
      const { uid, name } = await findUser(users, to);
      if (owners.nameOf(uid) !== user) {
        throw new DockershError('E_NOT_FOUND', {
          what: `a folder of ${user} under the uid of ${name} (${uid})`,
          why: 'there is none',
          hint: 'See "dockershctl user ls". Rename the account itself first: usermod --login NEW OLD.',
        });
      }
      if ((await users.find(user))?.uid === uid) {
        throw new DockershError('E_USAGE', {
          what: `${user} and ${name} have one uid`,
          why: 'what is kept under it belongs to one account alone',
          hint: 'Give every account a uid of its own.',
        });
      }
      const stopped = await accounts.rename(uid, name);
      parts.keys.follow(uid); // the copy is under the other name
      return { user: name, uid, stopped };
    },
  };
}

async function foldersOf({ accounts, engine, users, store }: AdminParts): Promise<AccountFolder[]> {
  const folders = (await accounts.uids()).map(async (uid) => ({
    uid,
    owner: store.owners.nameOf(uid) ?? null,
    account: (await users.find(uid))?.name ?? null,
    running: engine.nameOf(uid) !== undefined,
  }));
  return (await Promise.all(folders)).sort((left, right) => left.uid - right.uid);
}

/** By name or uid, whether there is such an account or not. */
async function ownerToForget({ accounts, store, users }: AdminParts, user: string): Promise<Account> {
  const { owners } = store;
  const named = uidIn(user);
  const uids = named === undefined ? owners.uidsOf(user) : [named];
  const [uid, ...more] = uids.length > 0 ? uids : [(await users.find(user))?.uid];
  if (more.length > 0) {
    throw new DockershError('E_USAGE', {
      what: `accounts called ${user}`,
      why: `there were several, with the uids ${uids.join(', ')}`,
      hint: 'Name the uid instead.',
    });
  }
  if (uid !== undefined && (await accounts.uids()).includes(uid)) {
    const name = owners.nameOf(uid) ?? (await users.find(uid))?.name ?? user;
    if (uids.length > 0 || name === user) return { uid, name };
  }
  throw new DockershError('E_NOT_FOUND', {
    what: `a folder of ${user}`,
    why: 'nothing is kept for such an account',
    hint: 'See "dockershctl user ls".',
  });
}

function stillThere({ name }: Account): DockershError {
  return new DockershError('E_USAGE', {
    what: `${name} is an account of this host`,
    why: 'all that it has in its sandbox would be gone',
    hint: 'Delete the account first (userdel), or add --force.',
  });
}
