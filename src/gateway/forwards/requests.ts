// Answers what a client asks of the connection as a whole (RFC 4254, sections 4 and 7; OpenSSH's PROTOCOL): where to listen
// inside, where no more, and whether we are alive.

import { SerialRequests } from '../channels/serial-requests.ts';
import { message } from '../ssh/numbers.ts';
import { ProtocolError, Reader } from '../ssh/reader.ts';
import { Writer } from '../ssh/writer.ts';
import type { Proofs } from '../transport/host-key-proofs.ts';
import type { Transport } from '../transport/transport.ts';
import type { Listener, Listeners } from './listeners.ts';

const longestPath = 4096;

export class GlobalRequests {
  readonly #transport: Transport;
  readonly #listeners: Listeners;
  readonly #requests: SerialRequests;
  readonly #proofs: Proofs;
  readonly #noMoreSessions: () => void;
  readonly #forwards = new Map<string, Listener>();

  constructor(
    transport: Transport,
    {
      listeners,
      proofs,
      noMoreSessions,
    }: { listeners: Listeners; proofs: Proofs; noMoreSessions: () => void },
  ) {
    this.#transport = transport;
    this.#listeners = listeners;
    this.#proofs = proofs;
    this.#requests = new SerialRequests(transport);
    this.#noMoreSessions = noMoreSessions;
  }

  packet(payload: Buffer): void {
    const kept = Buffer.from(payload);
    const reader = new Reader(kept, 1);
    const name = reader.name();
    const wantsReply = reader.boolean();
    this.#requests.add(async () => {
      const answer = await this.#answer(name, reader).catch((error: unknown) => {
        if (!(error instanceof ProtocolError)) throw error;
        this.#transport.disconnect(error.reason, error.message);
        return undefined;
      });
      if (!wantsReply) return;
      this.#transport.send(answer?.finish() ?? new Writer(message.requestFailure).finish());
    });
  }

  /** Undefined: it is not granted. */
  async #answer(name: string, reader: Reader): Promise<Writer | undefined> {
    const granted = new Writer(message.requestSuccess);
    switch (name) {
      case 'tcpip-forward':
        return this.#listenTcp(reader, granted);
      case 'streamlocal-forward@openssh.com':
        return this.#listenUnix(reader, granted);
      case 'cancel-tcpip-forward':
        return this.#cancel(`tcp ${reader.byteString()} ${reader.u32()}`) ? granted : undefined;
      case 'cancel-streamlocal-forward@openssh.com':
        return this.#cancel(`unix ${reader.byteString()}`) ? granted : undefined;
      case 'hostkeys-prove-00@openssh.com':
        return this.#proofs.give(reader, this.#transport, granted);
      case 'no-more-sessions@openssh.com':
        this.#noMoreSessions();
        return granted;
      default:
        // Also "keepalive@openssh.com": any answer will do.
        return undefined;
    }
  }

  async #listenTcp(reader: Reader, granted: Writer): Promise<Writer | undefined> {
    const name = Buffer.from(reader.string());
    const port = reader.u32();
    if (port > 65_535 || name.length > 255) return undefined;
    const key = name.toString('latin1');
    if (this.#forwards.has(`tcp ${key} ${port}`)) return undefined;
    let bound = port;
    const listener = await this.#listeners.listen('tcp', {
      name,
      port,
      announced: {
        type: 'forwarded-tcpip',
        rest: (packet, socket) =>
          packet
            .string(name)
            .u32(bound)
            .string(socket.remoteAddress ?? '')
            .u32(socket.remotePort ?? 0),
      },
    });
    if (listener === undefined) return undefined;
    bound = listener.port;
    this.#forwards.set(`tcp ${key} ${bound}`, listener);
    return port === 0 ? granted.u32(bound) : granted;
  }

  async #listenUnix(reader: Reader, granted: Writer): Promise<Writer | undefined> {
    const path = Buffer.from(reader.string());
    const key = `unix ${path.toString('latin1')}`;
    if (path.length > longestPath || this.#forwards.has(key)) return undefined;
    const listener = await this.#listeners.listen('unix', {
      name: path,
      announced: {
        type: 'forwarded-streamlocal@openssh.com',
        rest: (packet) => packet.string(path).string(''),
      },
    });
    if (listener === undefined) return undefined;
    this.#forwards.set(key, listener);
    return granted;
  }

  #cancel(key: string): boolean {
    const listener = this.#forwards.get(key);
    this.#forwards.delete(key);
    listener?.close();
    return listener !== undefined;
  }
}
