// Keeps what is listened on inside for a client: ports and sockets that it has asked for (-R), the agent's socket, and X11's
// displays. The monitor's forwarder makes each listening socket in the sandbox; whoever connects there becomes a channel.

import { createServer, type Server, type Socket } from 'node:net';
import { closeAll, type OwnedFd } from '../../lib/fd.ts';
import { u32Of, WireWriter } from '../../lib/wire.ts';
import type { Channels } from '../channels/channels.ts';
import type { Monitor } from '../monitor/monitor.ts';
import type { Writer } from '../ssh/writer.ts';
import { SocketStream } from '../streams/socket-stream.ts';

/** Of a channel that somebody has connected to one of our listeners for: its type, and what follows its window. */
interface Announced {
  readonly type: string;
  readonly rest: (packet: Writer, socket: Socket) => Writer;
}

export interface Listener {
  /** As the listener was asked for, where that was 0; else the same. */
  readonly port: number;
  close(): void;
}

/** Connections that one listener has at a time. */
const mostConnections = 256;

export class Listeners {
  readonly #monitor: Monitor;
  readonly #channels: Channels;
  readonly #open = new Set<Listener>();
  #agent: Promise<boolean> | undefined;

  constructor(monitor: Monitor, channels: Channels) {
    this.#monitor = monitor;
    this.#channels = channels;
  }

  /** Undefined: it is not listened there. `once`: for one connection alone. */
  async listen(
    kind: 'tcp' | 'unix' | 'agent' | 'x11',
    {
      name,
      port,
      announced,
      once = false,
    }: { name?: Buffer; port?: number; announced: Announced; once?: boolean },
  ): Promise<Listener | undefined> {
    const slot = this.#monitor.slot();
    const asked = new WireWriter('gwListen').u32('slot', slot).text('kind', kind);
    if (name !== undefined) asked.bytes('name', name);
    if (port !== undefined) asked.u32('code', port);
    const { message, fds } = await this.#monitor.ask(slot, asked);
    if (fds.length === 0 || u32Of(message, 'code') !== 0) {
      closeAll(fds);
      return undefined;
    }
    const taken = once ? (): void => listener.close() : undefined;
    // Two where both loopback addresses are listened at.
    const servers = fds.map((fd) => this.#accept(fd, announced, taken));
    const listener: Listener = {
      port: u32Of(message, 'gwPort') ?? port ?? 0,
      close: () => {
        if (!this.#open.delete(listener)) return;
        for (const server of servers) server.close();
        this.#monitor.close(slot);
      },
    };
    this.#open.add(listener);
    return listener;
  }

  /** Takes the listening socket. */
  #accept(fd: OwnedFd, announced: Announced, taken: (() => void) | undefined): Server {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      taken?.();
      void this.#connected(socket, announced);
    });
    server.maxConnections = mostConnections;
    // What fails in it (no descriptor left, say) costs those who connect.
    server.on('error', () => {});
    fd.handOver((number) => server.listen({ fd: number }));
    return server;
  }

  async #connected(socket: Socket, { type, rest }: Announced): Promise<void> {
    const stream = new SocketStream(socket);
    socket.setNoDelay(true);
    const channel = await this.#channels.openOwn(type, (packet) => rest(packet, socket));
    if (channel === undefined) stream.close();
    else channel.join(stream, [{ source: stream }]);
  }

  /** One for the whole connection. Whether there is one. */
  agent(): Promise<boolean> {
    this.#agent ??= this.listen('agent', {
      announced: { type: 'auth-agent@openssh.com', rest: (packet) => packet },
    }).then((listener) => listener !== undefined);
    return this.#agent;
  }

  /** The display's number; undefined: there is none to be had. */
  async x11(once: boolean): Promise<number | undefined> {
    const announced: Announced = {
      type: 'x11',
      rest: (packet, socket) =>
        packet.string(socket.remoteAddress ?? '127.0.0.1').u32(socket.remotePort ?? 0),
    };
    return (await this.listen('x11', { announced, once }))?.port;
  }

  end(): void {
    for (const listener of [...this.#open]) listener.close();
  }
}
