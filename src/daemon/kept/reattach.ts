// Leads a login back to a session that its user has left: where the policy says so, or the user when asked.

import type { Engine, KeptSession, SessionOffer } from '../../isolation/engine.ts';
import { formatDuration } from '../../lib/text/units.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { LoginRequest } from '../../protocol/login.ts';
import { shellArguments } from '../../shell/command.ts';
import { variable } from '../../shell/environment.ts';
import { unanswered } from './answers.ts';

/** What a login is to become. */
export type Reattach =
  | { readonly kind: 'new'; readonly notice: string }
  | { readonly kind: 'ask'; readonly offer: SessionOffer }
  | { readonly kind: 'back'; readonly target: string; readonly takes: boolean };

/** Sessions that nobody is at, the one that was left last first. */
export function leftSessions(sessions: readonly KeptSession[]): KeptSession[] {
  return sessions
    .filter(({ leftAt, keeps }) => leftAt !== null && keeps)
    .sort((a, b) => Date.parse(b.leftAt ?? '') - Date.parse(a.leftAt ?? ''));
}

/** Somebody at a terminal of sshd's who has said no command. */
function isPlainLogin(request: LoginRequest): boolean {
  return (
    request.user === undefined &&
    variable(request.env, 'SSH_TTY') !== undefined &&
    shellArguments(request).length === 1
  );
}

const ago = (leftAt: string, now: number): string =>
  `left ${formatDuration(Math.max(1000, Math.floor((now - Date.parse(leftAt)) / 1000) * 1000))} ago`;

/** How it comes that nobody is at it. */
const whyLeft = ({ leftAt }: KeptSession, now: number): string =>
  leftAt === null ? 'whose connection does not answer' : ago(leftAt, now);

/**
 * Undefined: there is nothing to go back to. Asks the supervisor only where sessions are kept, and waits for those that somebody
 * seems to be at (answers.ts).
 */
export async function reattachOf(
  engine: Pick<Engine, 'kept'>,
  uid: Uid,
  request: LoginRequest,
  { reattach, onHangup }: Pick<EffectivePolicy, 'reattach' | 'onHangup'>,
): Promise<Reattach | undefined> {
  if (!isPlainLogin(request) || (onHangup !== 'keep' && !engine.kept.mayHaveLeft(uid))) return undefined;
  const sessions = await engine.kept.list(uid);
  const left = [...(await unanswered(engine.kept, uid, sessions)), ...leftSessions(sessions)];
  const [first] = left;
  if (first === undefined) return undefined;
  const [target, takes] = [first.id, first.leftAt === null];
  if (reattach === 'yes') return { kind: 'back', target, takes };
  const now = Date.now();
  if (reattach === 'no') {
    const each = left.map((session) => `session ${session.number}, ${whyLeft(session, now)}`).join('; ');
    const last = `"ssh -t HOST @attach ${first.number}" leads back`;
    return { kind: 'new', notice: `dockersh: still there: ${each}. ${last}.` };
  }
  const others = left.length === 1 ? '' : ` (${left.length - 1} more: @sessions)`;
  const which = `Session ${first.number}, ${whyLeft(first, now)}, is still there${others}.`;
  return { kind: 'ask', offer: { target, takes, question: `dockersh: ${which} Go back to it? [Y/n] ` } };
}
