// Times logins at the gateway beside a thousand connections of one address that say nothing.

import { connect, type Socket } from 'node:net';
import type { Benchmark } from './benchmarks.ts';
import { notAbove } from './figures.ts';
import { startBoth } from './gateway.ts';
import { client } from './ssh.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const crowded = 1000;
/** Whoever is turned away knocks again. */
const againMs = 1000;
const aloneName = 'nobody else knocks';
const besideName = `${crowded} connections that say nothing`;

class Crowd implements Disposable {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #open = false;

  constructor(port: number) {
    this.#port = port;
  }

  async come(): Promise<void> {
    if (this.#open) return;
    this.#open = true;
    for (let count = 0; count < crowded; count += 1) this.#knock();
    await new Promise((resolve) => setTimeout(resolve, 3 * againMs));
  }

  #knock(): void {
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    this.#sockets.add(socket);
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#open) setTimeout(() => this.#open && this.#knock(), againMs);
    });
  }

  async go(): Promise<void> {
    if (!this.#open) return;
    this[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 3 * againMs));
  }

  [Symbol.dispose](): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }
}

export const gatewayCrowd: Benchmark = async (_, { rounds = 15 }) => {
  // As the policy has them without a word.
  await using both = await startBoth(['max_startups=40 30 100', 'source_startups=20', 'spare_processes=4']);
  using crowd = new Crowd(both.gateway.port);
  const command = client(both.gateway, both.user);
  const turns = [
    { name: aloneName, command, before: () => crowd.go() },
    { name: besideName, command, before: () => crowd.come() },
  ];
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => us / 1000);
  return {
    benchmark: 'gateway-crowd',
    title: 'ssh host true through the gateway',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove('times as long, at most 5', medianOf(table, besideName) / medianOf(table, aloneName), 5),
    ],
    notes: [
      'the thousand are of one address, of which 20 may wait; whoever is turned away comes back after a second',
    ],
  };
};
