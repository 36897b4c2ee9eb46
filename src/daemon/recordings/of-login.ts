// Begins the recording of a login, as the policy has it, and says so on its terminal.

import { hostname } from 'node:os';
import type { RecordingSpec, UserRecord } from '../../isolation/engine.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { LoginRequest } from '../../protocol/login.ts';
import { variable } from '../../shell/environment.ts';
import { loginSource } from '../../shell/session.ts';
import type { Recordings } from './recordings.ts';

const noRoom = 'This session is not recorded: there is no room for it.';

/** Whether there is a terminal the session's own process finds out. What root runs by dockershctl exec is not recorded. */
export function recordingOf(
  recordings: Recordings,
  { id, request }: { readonly id: string; readonly request: LoginRequest },
  { uid, name: user }: UserRecord,
  policy: EffectivePolicy,
): RecordingSpec | undefined {
  if (request.user !== undefined || policy.record === 'no') return undefined;
  const from = loginSource(request);
  const title = `${user} on ${hostname()}, session ${id}${from === undefined ? '' : ` from ${from}`}`;
  const term =
    variable(request.env, 'TERM')
      ?.replaceAll(/[^\w.+-]/g, '')
      .slice(0, 60) ?? '';
  return recordings.begin({ id, uid, user }, policy, { title, term });
}

/** What is said of it stands before what root has to say. */
export function withRecordingNotice(
  policy: EffectivePolicy,
  recording: RecordingSpec | undefined,
): EffectivePolicy {
  if (recording === undefined) return policy;
  const isWithout = recording.file === undefined;
  if (isWithout && recording.refuses) return policy; // there will be no terminal
  const notice = isWithout ? noRoom : policy.recordNotice;
  if (notice === null) return policy;
  return { ...policy, banner: policy.banner === null ? notice : `${notice}\n${policy.banner}` };
}
