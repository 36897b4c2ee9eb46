// The words about kept sessions, and what @sessions says of them.

import { type Answer, type Asking, refusal, type WordHandler } from '../asking.ts';

const notKept = (): never => {
  throw refusal('E_SELF_SERVICE', 'the policy of this host keeps no session when its connection ends');
};

/** A viewer of a kept session: what came by ssh hands its client's connection over. */
export const attach: WordHandler = async () => notKept();
/** Ends the connections of a session's viewers; the session goes on. */
export const detach: WordHandler = async () => notKept();
/** For how long the sessions of this user are kept. */
export const keep: WordHandler = async () => notKept();

/** What @sessions adds: those that nobody is attached to. */
export async function keptSessions(_: Asking): Promise<Answer> {
  return { json: [], text: '' };
}
