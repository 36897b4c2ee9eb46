// Starts the sandboxes of those whose policy wants it (boot = yes) when the daemon starts: one after the other, while the host
// has room.

import { writeFileSync } from 'node:fs';
import type { Engine } from '../isolation/engine.ts';
import type { Users } from '../isolation/users.ts';
import { toDockershError } from '../lib/errors.ts';
import { readIfThere } from '../lib/if-there.ts';
import type { Logger } from '../lib/log.ts';
import { type AbsolutePath, below } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import { newSessionId } from '../shell/session.ts';
import { uidsBelow } from '../users/folders.ts';
import type { UserStore } from '../users/store.ts';
import { type JobPlaces, runInside } from './jobs.ts';
import type { Admission } from './login/admission.ts';
import type { OwnSettings } from './policy/own-settings.ts';

export interface BootParts {
  readonly places: JobPlaces;
  readonly users: Users;
  readonly store: UserStore;
  readonly ownSettings: OwnSettings;
  readonly engine: Pick<Engine, 'nameOf'>;
  readonly admission: Admission;
  readonly log: Logger;
}

/** `started` hears of each. Never rejects. */
export async function startAtBoot(
  parts: BootParts,
  started: (uid: Uid) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (const uid of await uidsBelow(parts.store.state)) {
    if (signal.aborted) return;
    try {
      if (await startOne(parts, uid, signal)) await started(uid);
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = toDockershError(error);
      parts.log.warn({ uid, code, err: error }, `a sandbox is not started with the host: ${message}`);
    }
  }
}

/** False: it is none of those. */
async function startOne(parts: BootParts, uid: Uid, signal: AbortSignal): Promise<boolean> {
  const { users, store, ownSettings, engine, admission, log, places } = parts;
  const user = await users.find(uid);
  if (user === undefined || !store.owners.isOwn(user)) return false;
  const { evaluation } = await ownSettings.given(user);
  if (evaluation.kind !== 'ok' || evaluation.policy.boot !== 'yes' || evaluation.policy.exempt === 'yes')
    return false;
  if (engine.nameOf(uid) !== undefined) return true;
  const { memoryLimitBytes } = evaluation.policy;
  using _place = await admission.enter({ id: newSessionId(), uid, memoryLimitBytes, what: 'session' });
  // Any command will do, and one that the image does not have as well.
  const status = await runInside(places, user.name, ['true'], signal);
  if (status !== 125) return true;
  log.warn({ uid, user: user.name }, 'a sandbox is not started with the host: the log has the reason');
  return false;
}

/** Whether no daemon has run since the host was started; the next one knows that this one has. */
export function isFirstSinceBoot(state: AbsolutePath, boot: string): boolean {
  const file = below(state, 'boot-id');
  const before = readIfThere(file);
  if (before === boot) return false;
  writeFileSync(file, boot, { mode: 0o600 });
  return true;
}
