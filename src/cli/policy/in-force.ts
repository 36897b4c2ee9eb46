// Waits until the daemon goes by an edit of the policy. It hears of edits from the kernel, or looks for them every
// few seconds; whoever has been told that something is in force must find it so.

import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminExplanation } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

/** Longer than the daemon takes from one look to the next. */
const noticeMs = 8_000;

/** Waits until the explanation of a user's key is as wanted. `came` is false if that did not happen in time. */
export async function awaitPolicy(
  cli: Console,
  user: string,
  key: string,
  wanted: (explanation: AdminExplanation) => boolean,
): Promise<{ readonly came: boolean; readonly value: string | null }> {
  for (const deadline = Date.now() + noticeMs; ; await sleep(50)) {
    const { keys } = await cli.call('policy.explain', { user });
    const explanation = keys.find((one) => one.key === key);
    if (explanation !== undefined && wanted(explanation)) return { came: true, value: explanation.value };
    if (Date.now() >= deadline) return { came: false, value: explanation?.value ?? null };
  }
}
