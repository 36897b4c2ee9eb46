// A daemon that cannot start answers the logins that wait for it in the service manager's socket, before it ends.
// They would wait there for as long as it is started in vain: a person without a word, a script for ever.

import path from 'node:path';
import { ClientConnection } from '../isolation/client-connection.ts';
import { Launcher } from '../isolation/launcher.ts';
import { acceptWaiting } from '../isolation/seqpacket.ts';
import { DockershError } from '../lib/errors.ts';
import type { OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';
import { newSessionId } from '../shell/session.ts';
import { refusalMessage } from './login-refusals.ts';

/** As many as the socket's queue holds. */
const mostRefused = 4096;
const mostMs = 5_000;

export async function refuseWaiting(listening: OwnedFd, libexec: string, log: Logger): Promise<void> {
  const launcher = new Launcher({
    supervisorProgram: path.join(libexec, 'dockersh-supervisor'),
    initProgram: path.join(libexec, 'dockersh-init'),
    log,
  });
  const failure = new DockershError('E_DAEMON_DOWN', { userDetail: 'it could not be started' });
  for (const connection of acceptWaiting(listening, mostRefused)) {
    const id = newSessionId();
    log.error({ session: id, uid: connection.peer().uid, code: failure.code }, 'login refused');
    new ClientConnection(connection.release()).refuse(launcher, refusalMessage(failure, id));
  }
  await launcher.finish(mostMs);
}
