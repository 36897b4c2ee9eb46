// Shows a session to root, who watches or joins it, as the policy of its user lets them.

import type { KeptSession } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { IncomingLogin } from '../login/connections.ts';
import { type Looking, type LookParts, lookAt } from './look.ts';

/** Throws E_WATCH. */
export async function watch(
  parts: LookParts,
  incoming: IncomingLogin,
  looking: Looking,
  { watch: lets }: Pick<EffectivePolicy, 'watch'>,
): Promise<void> {
  const { args, looks = 'watch' } = incoming.request;
  const { uid, name } = looking.user;
  if (lets === 'no') throw refusal(`the policy has "watch = no" for ${name}`);
  const { id } = chosen(await parts.engine.kept.list(uid), name, args[1]);
  await lookAt(parts, incoming, looking, id, looks, { tells: lets === 'told' });
}

/** By the number of its terminal or its id; the one that there is. */
function chosen(sessions: readonly KeptSession[], user: string, wanted: string | undefined): KeptSession {
  const found = sessions.filter(
    ({ id, number }) => wanted === undefined || wanted === id || wanted === String(number),
  );
  const [session] = found;
  if (session === undefined) {
    const which = wanted === undefined ? 'no session' : `no session ${wanted}`;
    throw refusal(
      `${user} has ${which} at a terminal that can be watched; those that began with "watch = no" can't`,
    );
  }
  if (found.length === 1) return session;
  const numbers = found.map(({ number }) => number).join(', ');
  throw refusal(`${user} has several sessions: say which of ${numbers}`);
}

const refusal = (userDetail: string): DockershError =>
  new DockershError('E_WATCH', { why: userDetail, userDetail });
