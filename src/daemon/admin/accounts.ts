// The admin verbs about an account's part of the state.

import type { UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import type { accountVerbs } from '../../protocol/admin-accounts.ts';
import { missing } from '../user-image.ts';
import { type AdminParts, findUser, type Handlers } from './parts.ts';

export function accountHandlers(parts: AdminParts): Handlers<keyof typeof accountVerbs> {
  const { accounts, images, users, policy } = parts;
  const homeRootOf = async (user: UserRecord): Promise<string | null> => {
    await policy.refresh();
    const evaluation = policy.evaluate(user);
    return evaluation.kind === 'ok' ? evaluation.policy.homeRoot : null;
  };
  return {
    'account.look': async ({ user }) => {
      const record = await findUser(users, user);
      const state = await accounts.look(record, await homeRootOf(record));
      const evaluation = policy.evaluate(record);
      const given = evaluation.kind === 'ok' ? evaluation.policy : undefined;
      return {
        user: record.name,
        uid: record.uid,
        ...state,
        exempt: given?.exempt === 'yes',
        policy: given === undefined ? null : { image: given.image, home: given.home, network: given.network },
      };
    },
    'account.prepare': async ({ user, files, source }, { signal }) => {
      const record = await findUser(users, user);
      const report = await accounts.prepare(record, await homeRootOf(record), files, source, signal);
      return { user: record.name, ...report };
    },
    'account.giveBack': async ({ user, target }, { signal }) => {
      const record = await findUser(users, user);
      const renamed = await accounts.giveBack(record, await homeRootOf(record), target, signal);
      return { user: record.name, renamed };
    },
    'account.rescue': async ({ user, on }) => {
      const record = await findUser(users, user);
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
      const record = await findUser(users, user);
      await accounts.discard(record, await homeRootOf(record), what);
      return { user: record.name };
    },
  };
}
