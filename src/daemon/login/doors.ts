// Opens a login socket for each user who has a sandbox, to which nobody else can connect. Whoever fills the queue of
// the common socket, which the kernel serves in order of arrival, then keeps only those waiting who have no sandbox
// yet.
//
//   <run>/doors/<uid>.sock   the user's own, mode 0600

import { chownSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { ClientConnection } from '../../isolation/socket/client-connection.ts';
import { SeqpacketListener } from '../../isolation/socket/seqpacket.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';

export class Doors implements Disposable {
  readonly #folder: string;
  readonly #accepted: (clients: readonly ClientConnection[]) => void;
  readonly #log: Logger;
  readonly #open = new Map<Uid, SeqpacketListener>();

  private constructor(folder: string, accepted: (clients: readonly ClientConnection[]) => void, log: Logger) {
    this.#folder = folder;
    this.#accepted = accepted;
    this.#log = log;
  }

  /**
   * Makes the folder. `accepted` owns the connections and does not throw. What an earlier daemon left is cleared away.
   */
  static in(run: string, accepted: (clients: readonly ClientConnection[]) => void, log: Logger): Doors {
    const folder = path.join(run, 'doors');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o755 });
    return new Doors(folder, accepted, log);
  }

  #pathOf(uid: Uid): string {
    return path.join(this.#folder, `${uid}.sock`);
  }

  /** A socket that cannot be made is not missed: its user logs in by the common one. */
  open(uid: Uid): void {
    if (this.#open.has(uid)) return;
    try {
      using fd = SeqpacketListener.bind(this.#pathOf(uid), 0o600);
      chownSync(this.#pathOf(uid), uid, 0);
      const failed = (error: unknown): void =>
        this.#log.error({ uid, err: error }, 'a login could not be received');
      this.#open.set(uid, SeqpacketListener.listen(fd.move(), this.#accepted, failed));
    } catch (error) {
      this.#log.warn({ uid, err: error }, 'this user has no login socket of their own');
      rmSync(this.#pathOf(uid), { force: true });
    }
  }

  /** Clients that have connected by then are still served. */
  close(uid: Uid): void {
    rmSync(this.#pathOf(uid), { force: true });
    this.#open.get(uid)?.close();
    this.#open.delete(uid);
  }

  [Symbol.dispose](): void {
    for (const uid of [...this.#open.keys()]) this.close(uid);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
