// Leads a login back to a session that its user has left: where the policy says so, or the user when asked.

import type { Engine, KeptSession, SessionSpec } from '../../isolation/engine.ts';
import { formatDuration } from '../../lib/text/units.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { LoginRequest } from '../../protocol/login.ts';
import { shellArguments } from '../../shell/command.ts';
import { variable } from '../../shell/environment.ts';

/** What a login is to become. */
export type Reattach =
  | { readonly kind: 'new'; readonly notice: string }
  | { readonly kind: 'ask'; readonly offer: NonNullable<SessionSpec['offer']> }
  | { readonly kind: 'back'; readonly target: KeptSession };

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

const ago = (leftAt: string | null, now: number): string =>
  formatDuration(Math.max(1000, Math.floor((now - Date.parse(leftAt ?? '')) / 1000) * 1000));

/** Undefined: there is nothing to go back to. Asks the supervisor only where the sandbox runs. */
export async function reattachOf(
  engine: Pick<Engine, 'kept'>,
  uid: Uid,
  request: LoginRequest,
  { reattach }: Pick<EffectivePolicy, 'reattach'>,
): Promise<Reattach | undefined> {
  if (!engine.kept.mayHaveLeft(uid) || !isPlainLogin(request)) return undefined;
  const left = leftSessions(await engine.kept.list(uid));
  const [target] = left;
  if (target === undefined) return undefined;
  if (reattach === 'yes') return { kind: 'back', target };
  const now = Date.now();
  if (reattach === 'no') {
    const each = left
      .map(({ number, leftAt }) => `session ${number}, left ${ago(leftAt, now)} ago`)
      .join('; ');
    const last = `"ssh -t HOST @attach ${target.number}" leads back`;
    return { kind: 'new', notice: `dockersh: still there: ${each}. ${last}.` };
  }
  const others = left.length === 1 ? '' : ` (${left.length - 1} more: @sessions)`;
  const which = `Session ${target.number}, left ${ago(target.leftAt, now)} ago, is still there${others}.`;
  return { kind: 'ask', offer: { target: target.id, question: `dockersh: ${which} Go back to it? [Y/n] ` } };
}
