// Looks at sessions of running sandboxes that have a keeper, and says what becomes of them.

import { isIPv6 } from 'node:net';
import { DockershError } from '../../lib/errors.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { addon, type TcpState } from '../addon.ts';
import type { KeptSession, KeptSessions, LookSpec, SessionStart, TcpEnds } from '../engine.ts';
import type { ClientConnection } from '../socket/client-connection.ts';
import type { SupervisorState } from '../supervisor/answers.ts';
import { disconnectMessage } from '../supervisor/connection-message.ts';
import { detachMessage, keepMessage, touchMessage } from '../supervisor/kept-messages.ts';
import type { Sandbox } from './sandbox.ts';

export class SandboxesKept implements KeptSessions {
  readonly #of: (uid: Uid) => Sandbox | undefined;

  constructor(of: (uid: Uid) => Sandbox | undefined) {
    this.#of = of;
  }

  async look(uid: Uid, look: LookSpec, connection: ClientConnection): Promise<SessionStart | undefined> {
    const sandbox = this.#of(uid);
    if (sandbox?.state !== 'running') return undefined;
    const handedOverNs = process.hrtime.bigint();
    const answer = await sandbox.look(look, connection);
    if (answer.kind === 'accepted') {
      return { kind: 'warm', handedOverNs, imageDigest: sandbox.record.imageDigest };
    }
    if (!connection.isOurs) throw new DockershError('E_STOPPING'); // it asks again
    return undefined;
  }

  mayHaveLeft(uid: Uid): boolean {
    return this.#of(uid)?.hasLeft === true;
  }

  async list(uid: Uid): Promise<KeptSession[]> {
    const state = await this.#of(uid)?.inspect();
    return state === undefined ? [] : keptSessionsOf(state, Date.now());
  }

  detach(uid: Uid, id: string | undefined): void {
    this.#of(uid)?.tell(detachMessage(id));
  }

  touch(uid: Uid, id: string): void {
    this.#of(uid)?.tell(touchMessage(id));
  }

  tcpState([local, localPort, remote, remotePort]: TcpEnds): TcpState | null {
    try {
      return addon().tcpState(isIPv6(remote) ? 6 : 4, local, localPort, remote, remotePort);
    } catch {
      return null; // a kernel without sock_diag: no reason to keep anybody out
    }
  }

  disconnect(uid: Uid, id: string | undefined): void {
    this.#of(uid)?.tell(disconnectMessage(id));
  }

  keep(uid: Uid, id: string | undefined, forMs: number | null): void {
    this.#of(uid)?.tell(keepMessage(id, forMs));
  }
}

/** By the supervisor's clock, which nobody who sets the time changes. */
const at = (now: number, ms: number): string => new Date(now + ms).toISOString();

export function keptSessionsOf({ sessions, kept, viewers }: SupervisorState, now: number): KeptSession[] {
  const byId = new Map(sessions.map((session) => [session.id, session]));
  return kept.flatMap(({ id, keeps, leftMs, aloneMs }) => {
    const session = byId.get(id);
    if (session === undefined || session.pts < 0) return [];
    const lookers = viewers.filter(({ target }) => target === id);
    return [
      {
        id,
        number: session.pts,
        startedAt: session.note.startedAt,
        from: session.note.from ?? null,
        tcp: session.note.tcp ?? null,
        keeps,
        leftAt: aloneMs === undefined ? null : at(now, -aloneMs),
        keptUntil: leftMs === null ? null : at(now, leftMs),
        viewers: lookers.map(({ id: viewer, looks }) => ({
          id: viewer,
          looks,
          from: byId.get(viewer)?.note.from ?? null,
          tcp: byId.get(viewer)?.note.tcp ?? null,
        })),
      },
    ];
  });
}
