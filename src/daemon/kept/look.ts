// Shows a session that has a keeper to a login which is to look at it, and tells everybody who keeps account of logins.

import type { Engine, LookSpec, Looks, UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import { agentEnvironment } from '../../shell/environment.ts';
import { loginSource, loginTcp } from '../../shell/session.ts';
import type { Audit, Beginning } from '../audit/audit.ts';
import { auditCommand } from '../audit/command.ts';
import type { IncomingLogin } from '../login/connections.ts';
import type { LoginHistory } from '../login/history.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Records } from '../records/records.ts';

export interface LookParts {
  readonly engine: Pick<Engine, 'kept' | 'connectionsOf'>;
  readonly audit: Audit;
  readonly history: LoginHistory;
  readonly records: Records;
  readonly metrics: Metrics;
}

/** Whose login it is, and what the audit trail is told of what they have. */
export interface Looking {
  readonly user: Pick<UserRecord, 'uid' | 'name'>;
  readonly given: Pick<Beginning, 'image' | 'digest' | 'policy'>;
}

/** Shows the session to the login. Of one that has just ended the client is told. Throws E_STOPPING where the sandbox does. */
export async function lookAt(
  { audit, engine, history, metrics, records }: LookParts,
  { id, request, client, whose, peerUid, receivedNs }: IncomingLogin,
  { user, given }: Looking,
  target: string,
  looks: Looks,
  { tells = false, takes = false }: Pick<LookSpec, 'tells' | 'takes'> = {},
): Promise<void> {
  const [from, tcp] = [loginSource(request), loginTcp(request)];
  const about = { session: id, uid: user.uid, user: user.name, from };
  const joined = engine.connectionsOf(user.uid) > 0;
  const env = looks === 'attach' ? agentEnvironment(user, request.env, joined) : [];
  const byUid = whose === peerUid ? undefined : peerUid;
  audit.login({ ...about, ...given }, auditCommand(request), byUid);
  using _opening = records.opening(id);
  const start = await engine.kept.look(user.uid, { id, target, looks, tells, takes, from, tcp, env }, client);
  if (start === undefined) throw new DockershError('E_STOPPING');
  history.started(id, start);
  metrics.loggedIn(start.kind, start.handedOverNs - receivedNs);
  records.opened({ ...about, kind: start.kind, image: given.image, digest: start.imageDigest, byUid });
}
