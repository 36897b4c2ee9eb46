// The admin verbs about an account's part of the state.

import type { accountVerbs } from '../protocol/admin-accounts.ts';
import { type AdminParts, findUser, type Handlers } from './admin-parts.ts';

export function accountHandlers(parts: AdminParts): Handlers<keyof typeof accountVerbs> {
  const { accounts, users, policy } = parts;
  return {
    'account.look': async ({ user }) => {
      const record = await findUser(users, user);
      const evaluation = policy.evaluate(record);
      const given = evaluation.kind === 'ok' ? evaluation.policy : undefined;
      return {
        user: record.name,
        uid: record.uid,
        ...(await accounts.look(record)),
        policy: given === undefined ? null : { image: given.image, home: given.home, network: given.network },
      };
    },
    'account.prepare': async ({ user, files, source }, { signal }) => {
      const record = await findUser(users, user);
      return { user: record.name, ...(await accounts.prepare(record, files, source, signal)) };
    },
    'account.giveBack': async ({ user, target }, { signal }) => {
      const record = await findUser(users, user);
      return { user: record.name, renamed: await accounts.giveBack(record, target, signal) };
    },
    'account.discard': async ({ user, ...what }) => {
      const record = await findUser(users, user);
      await accounts.discard(record, what);
      return { user: record.name };
    },
  };
}
