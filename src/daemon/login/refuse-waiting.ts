// Answers the logins that wait in the service manager's socket when the daemon cannot start. Without that, a person
// would wait without a word, and a script for ever.

import path from 'node:path';
import { acceptClients, type ClientConnection } from '../../isolation/socket/client-connection.ts';
import { Launcher } from '../../isolation/supervisor/launcher.ts';
import { DockershError } from '../../lib/errors.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { newSessionId } from '../../shell/session.ts';
import { Records } from '../records/records.ts';
import { refusalMessage } from './refusals.ts';

const mostMs = 5_000;

export async function refuseWaiting(listening: OwnedFd, libexec: string, log: Logger): Promise<void> {
  const launcher = new Launcher({
    supervisorProgram: path.join(libexec, 'dockersh-supervisor'),
    initProgram: path.join(libexec, 'dockersh-init'),
    log,
  });
  const failure = new DockershError('E_DAEMON_DOWN', { userDetail: 'it could not be started' });
  const records = Records.start(log);
  const refuse = (client: ClientConnection): void => {
    const id = newSessionId();
    records.refused({ session: id, uid: client.uid }, failure);
    client.refuse(launcher, refusalMessage(failure, id));
  };
  const deadline = performance.now() + mostMs;
  for (let waiting = true; waiting && performance.now() < deadline; ) {
    const { clients, tooMany } = acceptClients(listening);
    clients.forEach(refuse);
    waiting = clients.length + tooMany > 0;
  }
  await launcher.finish(mostMs);
}
