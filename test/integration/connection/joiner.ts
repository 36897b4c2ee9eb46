// Stands in the daemon's place between pam_dockersh.so and one running supervisor: whoever joins is given to it.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addon, loadAddon } from '../../../src/isolation/addon.ts';
import { OwnedFd } from '../../../src/lib/fd.ts';
import {
  fieldsOf,
  type MessageType,
  parseWire,
  textOf,
  type WireMessage,
  WireWriter,
} from '../../../src/lib/wire.ts';
import type { Host } from '../../fixtures/host.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import { type Finished, Running, waitUntil } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';

export const module = join(buildFolder, 'pam_dockersh.so');
const session = join(buildFolder, 'obj/test-pam/session');

const refusal = (): Buffer => new WireWriter('error').text('text', 'Not today.').u32('code', 125).finish();

/** What becomes of who joins. */
export type Treatment = 'give' | 'silent' | 'refuse' | 'outside';

export interface Account {
  readonly lines?: readonly string[];
  readonly home?: string;
  readonly most?: number;
  readonly run?: string;
}

export class Joiner implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly #user: TestUser;
  readonly #options: string;
  readonly folder: string;
  readonly service: string;
  readonly heard: WireMessage[] = [];
  treatment: Treatment = 'give';
  account: Account = {};
  #control: OwnedFd | undefined;
  #stop: (() => void) | undefined;
  #count = 0;

  private constructor(user: TestUser, folder: string, service: string, options: string) {
    this.#user = user;
    this.#options = options;
    this.folder = folder;
    this.service = service;
  }

  /** `lines`: options of the module besides the socket's. */
  static async start(user: TestUser, options: string): Promise<Joiner> {
    loadAddon(join(buildFolder, 'addon.node'));
    const folder = await mkdtemp('/srv/dockersh-test-');
    const service = `dockersh-test-${process.pid}`;
    const joiner = new Joiner(user, folder, service, options);
    joiner.#parts.defer(async () => await rm(folder, { recursive: true, force: true }));
    joiner.#parts.defer(async () => await rm(`/etc/pam.d/${service}`, { force: true }));
    await joiner.writeService();
    const listener = new OwnedFd(addon().listen(join(folder, 'join.sock'), 0o600));
    joiner.#parts.use(listener);
    joiner.#parts.defer(addon().poll(listener.borrow(), () => joiner.#accept(listener)));
    return joiner;
  }

  async writeService(options = this.#options): Promise<void> {
    const line = `session required ${module} socket=${this.folder}/join.sock ${options}`;
    await writeFile(`/etc/pam.d/${this.service}`, `${line} early\nsession optional pam_permit.so\n${line}\n`);
  }

  /** The daemon of this host has ended, and its supervisor hears us from now on. */
  async takeOver(host: Host): Promise<WireMessage> {
    this.leave();
    this.#control = new OwnedFd(addon().connect(join(host.runFolder, `sandboxes/${this.#user.uid}.sock`)));
    this.#stop = addon().poll(this.#control.borrow(), () => this.#hear());
    this.say(new WireWriter('hello').finish());
    return await this.next('state');
  }

  /** As a daemon does that ends. */
  leave(): void {
    this.#stop?.();
    this.#control?.[Symbol.dispose]();
    this.#stop = this.#control = undefined;
  }

  say(message: Buffer, fds: readonly number[] = []): void {
    if (this.#control === undefined) throw new Error('there is no supervisor');
    if (!addon().send(this.#control.borrow(), message, fds)) throw new Error('the supervisor does not hear');
  }

  /** The next message of this type, taken out of what was heard. */
  async next(type: MessageType): Promise<WireMessage> {
    const there = (): number => this.heard.findIndex((message) => message.type === type);
    await waitUntil(() => there() >= 0, `the supervisor to say ${type}`, 15_000);
    const [message] = this.heard.splice(there(), 1);
    if (message === undefined) throw new Error('it is gone');
    return message;
  }

  get connected(): boolean {
    return this.#control !== undefined;
  }

  open(command: readonly string[], root = false, name = this.#user.name): Running {
    return new Running(session, [this.service, name, ...(root ? ['--root'] : []), ...command]);
  }

  /** Runs a command as sshd's child would, or as its monitor, in the place that the module has made of it. */
  async run(command: string, root = false): Promise<Finished> {
    await using running = this.open(['/bin/sh', '-c', command], root);
    running.process.stdin?.end();
    return await running.finished();
  }

  async text(command: string, root = false): Promise<string> {
    const result = await this.run(command, root);
    return result.stdout
      .toString()
      .replace(/^open\n/, '')
      .trim();
  }

  #accept(listener: OwnedFd): void {
    const [, ...clients] = addon().acceptClients(listener.borrow());
    for (let index = 0; index < clients.length; index += 2) {
      const connection = new OwnedFd(clients[index] ?? -1);
      const stop = addon().poll(connection.borrow(), () => {
        stop();
        this.#treat(connection);
      });
    }
  }

  #treat(connection: OwnedFd): void {
    const say = (message: Buffer): boolean => addon().send(connection.borrow(), message, []);
    if (this.treatment === 'silent') {
      this.#parts.use(connection);
      return;
    }
    using own = connection;
    say(new WireWriter('wait').finish());
    if (this.treatment === 'refuse') say(refusal());
    else if (this.treatment === 'outside') say(new WireWriter('outside').text('shell', '/bin/sh').finish());
    else this.give(own.borrow());
  }

  /** Whether a message lies in a connection. */
  joined(connection: number): boolean {
    return addon().lookAtLogin(connection) !== undefined;
  }

  give(connection: number): void {
    const { name, home } = this.#user;
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    const line = lines.find((entry) => entry.startsWith(`${name}:`)) ?? '';
    const [account = line, ...groups] = this.account.lines ?? [line];
    const message = new WireWriter('connection')
      .text('id', `connection-${++this.#count}`)
      .text('text', 'a note')
      .u32('mostSessions', this.account.most ?? 100)
      .text('account', account)
      .text('homeInside', this.account.home ?? home)
      .text('clientFolder', '/usr/bin')
      .text('run', this.account.run ?? this.folder);
    for (const group of groups) message.text('accountGroup', group);
    this.say(message.finish(1), [connection]);
  }

  #hear(): void {
    for (;;) {
      if (this.#control === undefined) return;
      const received = addon().receive(this.#control.borrow());
      if (received === undefined) return;
      if (received === null) {
        this.heard.push({ type: 'left', fields: [] });
        this.leave();
        return;
      }
      const message = parseWire(received.data);
      for (const fd of received.fds) {
        using connection = new OwnedFd(fd);
        if (message?.type === 'refused') addon().send(connection.borrow(), refusal(), []);
      }
      if (message !== undefined) this.heard.push(message);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    await this.#parts.disposeAsync();
  }
}

/** Ids of the connections that a STATE lists. */
export const listedIn = (state: WireMessage): string[] =>
  fieldsOf(state, 'connectionOpen').map((value) => value.toString('utf8').split('\0')[0] ?? '');

export const idOf = (message: WireMessage): string | undefined => textOf(message, 'id');
