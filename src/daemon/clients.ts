// Opens the sockets that logins, and ssh connections of sshd's module and of the gateway, come by.

import { SeqpacketListener } from '../isolation/socket/seqpacket.ts';
import type { Logger } from '../lib/log.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { SocketPaths } from './installation.ts';
import { LoginConnections } from './login/connections.ts';
import { Doors } from './login/doors.ts';
import { JoinConnections } from './login/joins.ts';
import { type LoginParts, LoginService } from './login/logins.ts';
import { LoginRefusals } from './login/refusals.ts';
import type { InheritedSockets } from './service-manager.ts';

/** Those who want in. */
export interface Clients {
  readonly logins: LoginConnections;
  readonly joins: JoinConnections;
}

export function openClients(parts: LoginParts): Clients {
  const { engine, users, history, records, log } = parts;
  const service = new LoginService(parts);
  const nameOf = (uid: Uid): string | undefined => engine.nameOf(uid) ?? users.nameOf(uid);
  const refusals = new LoginRefusals({ engine, history, records, nameOf });
  const joins = new JoinConnections({
    ...{ engine, refusals, log },
    join: async (incoming) => await service.join(incoming),
    uidOf: (name) => users.remembered(name)?.uid,
  });
  const logins = new LoginConnections({
    ...{ engine, refusals, log },
    login: async (incoming) => await service.login(incoming),
  });
  return { logins, joins };
}

export interface ListeningPlace {
  readonly run: string;
  readonly inherited: InheritedSockets;
  readonly sockets: SocketPaths;
  /** What is opened here is taken apart with it. */
  readonly parts: AsyncDisposableStack;
  readonly log: Logger;
}

/** From here on somebody can log in. `uids`: who has a sandbox already. */
export function listenTo(place: ListeningPlace, { logins, joins }: Clients, uids: readonly Uid[]): Doors {
  const { run, inherited, sockets, parts, log } = place;
  const failed = (error: unknown): void => log.error({ err: error }, 'a login could not be received');
  const doors = parts.use(Doors.in(run, (accepted) => logins.accept(accepted), log));
  for (const uid of uids) doors.open(uid);
  const exec = inherited.get('exec') ?? SeqpacketListener.bind(sockets.exec, 0o600);
  parts.use(SeqpacketListener.listen(exec, (accepted) => logins.acceptExec(accepted), failed));
  const join = inherited.get('join') ?? SeqpacketListener.bind(sockets.join, 0o600);
  parts.use(SeqpacketListener.listen(join, (accepted) => joins.accept(accepted, 'sshd'), failed));
  const gateway = inherited.get('gateway') ?? SeqpacketListener.bind(sockets.gateway, 0o600);
  parts.use(SeqpacketListener.listen(gateway, (accepted) => joins.accept(accepted, 'gateway'), failed));
  const login = inherited.get('login') ?? SeqpacketListener.bind(sockets.login, 0o666);
  parts.use(SeqpacketListener.listen(login, (accepted) => logins.accept(accepted), failed));
  return doors;
}
