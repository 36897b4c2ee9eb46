// Finds sessions whose connection is dead without anybody having noticed: a laptop that has left its network closes nothing, and sshd
// waits. What makes the difference is whether the other end acknowledges what is sent to it, which the kernel says of its
// TCP connections.

import { setTimeout as sleep } from 'node:timers/promises';
import type { KeptSession, KeptSessions } from '../../isolation/engine.ts';
import type { Uid } from '../../lib/values/uid.ts';

/**
 * When the kernel is asked after something was sent, in ms: soon, because whoever has several windows waits for it at each
 * login; and for the last time when a line that is merely slow has answered.
 */
const asksAtMs = [5, 15, 40, 100, 250, 500, 1000, 1900];

/** What was to be sent and is not by then, nobody will send: a client of an earlier version does not. */
const mostUnsentMs = 600;

type Asked = Pick<KeptSessions, 'touch' | 'tcpState'>;

/** Those of the sessions that somebody is at by connections alone which do not answer. */
export async function unanswered(
  kept: Asked,
  uid: Uid,
  sessions: readonly KeptSession[],
): Promise<KeptSession[]> {
  const beganMs = performance.now();
  let waiting = sessions.filter((session) => session.keeps && debts(kept, session, 0, false).length > 0);
  for (const { id } of waiting) kept.touch(uid, id);
  for (const ms of asksAtMs) {
    if (waiting.length === 0) return [];
    await sleep(Math.max(0, beganMs + ms - performance.now()));
    const passedMs = performance.now() - beganMs;
    const isLast = ms === asksAtMs.at(-1);
    waiting = waiting.filter((session) => {
      const owing = debts(kept, session, passedMs, isLast);
      return owing.length > 0 && owing.every(Boolean);
    });
  }
  return waiting;
}

/**
 * Whether those who are at it as its user owe an answer, by connections of this host's: what is none says nothing. `passedMs`: since
 * something was sent to them.
 */
function debts(
  kept: Asked,
  { leftAt, tcp, viewers }: KeptSession,
  passedMs: number,
  isLast: boolean,
): boolean[] {
  if (leftAt !== null) return [];
  const attached = viewers.filter(({ looks }) => looks === 'attach');
  return [{ tcp }, ...attached].flatMap((end) => {
    const state = end.tcp === null ? null : kept.tcpState(end.tcp);
    if (state === null) return [];
    const { owed, retransmits, sentMs } = state;
    if (isLast) return owed > 0 && retransmits > 0;
    return owed > 0 || (sentMs > passedMs && passedMs < mostUnsentMs);
  });
}
