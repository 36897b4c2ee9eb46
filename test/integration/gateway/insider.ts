// Plays the gateway's connection process towards what stands in the monitor's place after a login (native/test/gateway/inside.c).

import { Socket } from 'node:net';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';
import { addon, loadAddon } from '../../../src/isolation/addon.ts';
import { OwnedFd } from '../../../src/lib/fd.ts';
import { parseWire, textOf, u32Of, type WireMessage, WireWriter } from '../../../src/lib/wire.ts';
import type { Host } from '../../fixtures/host.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import { Running, waitUntil } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';

const program = join(buildFolder, 'obj/test-gateway/inside');

interface Heard {
  readonly message: WireMessage;
  readonly fds: number[];
}

/** What a session has said, and how it ended. */
export interface Ended {
  readonly out: string;
  readonly error: string;
  readonly kind: string;
  readonly code: number;
  readonly signal: string | undefined;
}

export interface SessionOptions {
  readonly kind?: string;
  readonly command?: string;
  readonly env?: readonly string[];
  readonly term?: string;
  readonly size?: readonly [number, number, number, number];
  readonly modes?: Buffer;
  readonly agent?: boolean;
  readonly x11?: string;
}

export class Insider implements AsyncDisposable {
  readonly monitor: Running;
  readonly #socket: OwnedFd;
  readonly #stop: () => void;
  readonly #heard: Heard[] = [];
  #slot = 0;
  #ended = false;

  private constructor(monitor: Running, socket: OwnedFd) {
    this.monitor = monitor;
    this.#socket = socket;
    this.#stop = addon().poll(socket.borrow(), () => this.#hear());
  }

  /** `words`: options of the key that has logged the user in. */
  static start(host: Host, user: Pick<TestUser, 'name'>, ...words: string[]): Insider {
    loadAddon(join(buildFolder, 'addon.node'));
    const [own, theirs] = addon().socketPair();
    const from = '192.0.2.7 40000 192.0.2.1 22';
    const socket = join(host.runFolder, 'gateway.sock');
    const args = [socket, host.client, user.name, from, 'password\n', ...words];
    const monitor = new Running(program, args, { stdio: ['ignore', 'pipe', 'pipe', theirs] });
    new OwnedFd(theirs)[Symbol.dispose]();
    return new Insider(monitor, new OwnedFd(own));
  }

  #hear(): void {
    for (;;) {
      const received = addon().receive(this.#socket.borrow());
      if (received === undefined) return;
      const message = received === null ? undefined : parseWire(received.data);
      if (received === null || message === undefined) {
        this.hangUp();
        return;
      }
      this.#heard.push({ message, fds: received.fds });
    }
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  nextSlot(): number {
    this.#slot += 1;
    return this.#slot;
  }

  say(message: Buffer, fds: readonly number[] = []): void {
    if (!addon().send(this.#socket.borrow(), message, fds)) throw new Error('the monitor does not read');
  }

  async answer(type: WireMessage['type'], slot: number, ms = 20_000): Promise<Heard> {
    const there = (): number =>
      this.#heard.findIndex(({ message }) => message.type === type && u32Of(message, 'slot') === slot);
    await waitUntil(() => there() >= 0 || this.#ended, `the monitor to say ${type}`, ms);
    const [heard] = this.#heard.splice(there(), 1);
    if (heard === undefined) throw new Error(`the monitor has ended without ${type}`);
    return heard;
  }

  async start(options: SessionOptions): Promise<Session> {
    const slot = this.nextSlot();
    const { kind, command, env = [], term, size = [80, 24, 0, 0], modes, agent, x11 } = options;
    const writer = new WireWriter('gwSession').u32('slot', slot);
    writer.text('kind', kind ?? (command === undefined ? 'shell' : 'exec'));
    if (command !== undefined) writer.text('arg', command);
    for (const each of env) writer.text('env', each);
    if (term !== undefined) writer.text('gwTerm', term).u32('gwSize', ...size);
    if (modes !== undefined) writer.bytes('gwModes', modes);
    if (agent === true) writer.u32('gwAgent', 1);
    if (x11 !== undefined) writer.text('gwX11', x11);
    this.say(writer.finish());
    const { message, fds } = await this.answer('gwStarted', slot);
    return new Session(this, slot, u32Of(message, 'code') ?? -1, textOf(message, 'text'), fds);
  }

  /** Runs a command to its end. */
  async run(command: string, options: SessionOptions & { readonly input?: string } = {}): Promise<Ended> {
    const session = await this.start({ ...options, command });
    return await session.finish(options.input);
  }

  async opened(
    type: 'gwConnect' | 'gwListen',
    kind: string,
    name?: string,
    code?: number,
  ): Promise<{
    slot: number;
    code: number;
    text: string | undefined;
    port: number | undefined;
    fd: number;
    fds: number[];
  }> {
    const slot = this.nextSlot();
    const writer = new WireWriter(type).u32('slot', slot).text('kind', kind);
    if (name !== undefined) writer.text('name', name);
    if (code !== undefined) writer.u32('code', code);
    this.say(writer.finish());
    const { message, fds } = await this.answer('gwOpened', slot);
    const [fd = -1] = fds;
    const text = textOf(message, 'text');
    return { slot, code: u32Of(message, 'code') ?? -1, text, port: u32Of(message, 'gwPort'), fd, fds };
  }

  /** As the end of the connection process does. */
  hangUp(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop();
    this.#socket[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    for (const { fds } of this.#heard) for (const fd of fds) new OwnedFd(fd)[Symbol.dispose]();
    await this.monitor.finished(20_000);
    await this.monitor[Symbol.asyncDispose]();
  }
}

export class Session {
  readonly #insider: Insider;
  readonly slot: number;
  readonly code: number;
  readonly text: string | undefined;
  readonly streams: readonly Socket[];
  readonly #master: number;
  out = '';
  error = '';

  constructor(
    insider: Insider,
    slot: number,
    code: number,
    text: string | undefined,
    fds: readonly number[],
  ) {
    this.#insider = insider;
    this.slot = slot;
    this.code = code;
    this.text = text;
    this.#master = fds[0] ?? -1;
    this.streams =
      fds.length === 1 ? fds.map((fd) => new ReadStream(fd)) : fds.map((fd) => new Socket({ fd }));
    for (const stream of this.streams) stream.on('error', () => undefined); // EIO: the end of a terminal
    const [first, second, third] = this.streams;
    (second ?? first)?.on('data', (data) => {
      this.out += String(data);
    });
    third?.on('data', (data) => {
      this.error += String(data);
    });
  }

  get isTerminal(): boolean {
    return this.streams.length === 1;
  }

  write(text: string): void {
    this.streams[0]?.write(text);
  }

  resize(columns: number, rows: number): void {
    addon().resizeTerminal(this.#master, columns, rows, 0, 0);
  }

  tell(build: (writer: WireWriter) => WireWriter): void {
    this.#insider.say(build(new WireWriter('gwTell').u32('slot', this.slot)).finish());
  }

  async ended(): Promise<Ended> {
    const { message } = await this.#insider.answer('gwEnded', this.slot);
    const kind = textOf(message, 'kind') ?? '';
    const signal = textOf(message, 'name');
    return { out: this.out, error: this.error, kind, code: u32Of(message, 'code') ?? -1, signal };
  }

  async finish(input?: string): Promise<Ended> {
    const closed = this.streams.slice(this.isTerminal ? 0 : 1).map(async (stream) => {
      // Not once() of node:events, which fails with EIO: the end of a terminal.
      if (!stream.closed) await new Promise((resolve) => void stream.once('close', resolve));
    });
    if (!this.isTerminal) this.streams[0]?.end(input ?? '');
    const end = await this.ended();
    await Promise.all(closed);
    this.close();
    return { ...end, out: this.out, error: this.error };
  }

  close(): void {
    for (const stream of this.streams) stream.destroy();
  }
}
