// The sandboxes that are attacked: one of each kind that the policy can give, for the whole file of tests.

import { readFileSync } from 'node:fs';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttackAnswer, type Place, runAttacks } from '../../src/cli/doctor/attack.ts';
import { Host } from '../fixtures/host.ts';
import { makeRootfs } from '../fixtures/images/rootfs.ts';
import { keepersOf } from '../fixtures/keepers.ts';
import { peerPort } from '../fixtures/network/internet.ts';
import type { NetworkNamespace } from '../fixtures/network/namespace.ts';
import { buildFolder, checkout } from '../fixtures/paths.ts';
import type { PolicySection } from '../fixtures/policy-text.ts';
import { type Finished, Running, run, waitUntil } from '../fixtures/process.ts';
import { Terminal } from '../fixtures/terminal.ts';
import { TestUser } from '../fixtures/users.ts';

import { Counterpart } from './counterparts.ts';

/** Inside, numbers of processes count from 1, and attacks are some hundred. */
const beyondInside = 10_000;
const lastPid = '/proc/sys/kernel/ns_last_pid';

/** What starts next gets a number that no process inside has: a system that has just started counts from 1 as well. */
async function countBeyondInside(): Promise<void> {
  if (Number(await readFile(lastPid, 'utf8')) < beyondInside) await writeFile(lastPid, String(beyondInside));
}

export const attackProgram = join(buildFolder, 'dockersh-attack');

/** In an image that has little else, set-user-id root. */
const inImage = '/attack';
const settings = {
  plain: { image: 'host' },
  root: { image: 'attack', root: 'yes' },
  nesting: { image: 'host', nesting: 'yes' },
  both: { image: 'attack', root: 'yes', nesting: 'yes' },
} as const satisfies Record<string, PolicySection>;
export type Kind = keyof typeof settings;
const kinds = Object.keys(settings) as Kind[];

export interface DoctorReport {
  readonly status: number;
  readonly attacks: readonly (AttackAnswer & { readonly tries: string; readonly must: string })[];
}

export interface SandboxesOptions {
  /** The kinds that there are to be; default: all. */
  only?: readonly Kind[];
  /** Another folder of the daemon's programs. */
  libexec?: string;
  /** Where the daemon runs; its sandboxes then have private networks. */
  network?: NetworkNamespace;
}

/** Those of a host that is not there, for sandboxes that have no network. */
const nobody = { 'host-addresses': '203.0.113.2', 'other-addresses': '203.0.113.3', 'service-port': '7' };

const fixtures = join(checkout, 'test/fixtures/network');

interface RecordingList {
  readonly recordings: readonly { readonly path: string; readonly endedAt: string | null }[];
}

interface NetworkList {
  readonly users: readonly {
    readonly user: string;
    readonly address4: string | null;
    readonly address6: string | null;
  }[];
}

export class Sandboxes implements AsyncDisposable {
  readonly host: Host;
  readonly #users: ReadonlyMap<string, TestUser>;
  readonly #everything: AsyncDisposableStack;
  /** What attacks must be told of what is outside. */
  #networks: NetworkList['users'] = [];
  readonly #ofKind = new Map<Kind, Readonly<Record<string, string>>>();
  readonly #args: Record<string, string> = { 'image-file': inImage, ...nobody };

  private constructor(host: Host, users: ReadonlyMap<string, TestUser>, everything: AsyncDisposableStack) {
    this.host = host;
    this.#users = users;
    this.#everything = everything;
  }

  static async create(options: SandboxesOptions = {}): Promise<Sandboxes> {
    const { only = kinds, ...hostOptions } = options;
    await using everything = new AsyncDisposableStack();
    const users = new Map<string, TestUser>();
    for (const kind of [...only, 'victim']) {
      users.set(kind, everything.use(await TestUser.create({ shell: '/bin/bash' })));
    }
    const host = everything.use(await Host.start(hostOptions));
    host.uids.push(...[...users.values()].map(({ uid }) => uid));
    const rootfs = await makeRootfs(join(host.folder, 'attack-image'));
    await copyFile(attackProgram, join(rootfs, inImage));
    await chmod(join(rootfs, inImage), 0o4755);
    await host.ctlOk('image', 'import', 'attack', rootfs);
    await host.setPolicy({
      defaults: {
        ...{ image: 'host', linger: '1h', stop_grace: '0', record: 'yes' },
        ...(options.network === undefined ? {} : { network: 'private' }),
      },
      users: Object.fromEntries(only.map((kind) => [users.get(kind)?.name ?? '', settings[kind]])),
    });
    return new Sandboxes(host, users, everything.move());
  }

  user(kind: Kind | 'victim'): TestUser {
    const user = this.#users.get(kind);
    if (user === undefined) throw new Error(`there is no user for ${kind}`);
    return user;
  }

  argument(name: string): string {
    return this.#args[name] ?? '';
  }

  /** Whoever attacks need outside; their names are arguments of every attack from then on. */
  async addCounterparts(): Promise<void> {
    const { home, name } = this.user('victim');
    const secret = join(this.host.folder, 'secret');
    await writeFile(secret, 'secret\n');
    const host = this.#everything.use(await Counterpart.ofHost(attackProgram));
    const other = this.#everything.use(await Counterpart.ofUser(this.#exec, attackProgram, name));
    const pid = (await this.host.sandboxOf({ name }))?.sessions[0]?.pid ?? null;
    if (pid === null) throw new Error('the other user has no session');
    Object.assign(this.#args, host.args, other.args);
    Object.assign(this.#args, { 'host-process': Counterpart.processes(host.pid), 'host-secret': secret });
    Object.assign(this.#args, { 'other-process': Counterpart.processes(pid), 'other-home': home });
    for (const kind of kinds.filter((one) => this.#users.has(one))) await this.#addKeeper(kind);
  }

  /** Has its user be at a terminal, which is recorded. */
  async #addKeeper(kind: Kind): Promise<void> {
    await countBeyondInside();
    const { name, uid, gid, home } = this.user(kind);
    const env = { HOME: home, USER: name, LOGNAME: name, PATH: '/usr/bin:/bin', TERM: 'xterm' };
    const terminal = new Terminal(this.host.client, ['-c', 'echo held; exec sleep 1000'], {
      uid,
      gid,
      cwd: '/',
      env,
    });
    this.#everything.use(terminal);
    await terminal.expect(/held\r/);
    const pid = await waitForValue(() => keepersOf(name)[0], 'its keeper');
    const path = await waitForValue(async () => {
      const { recordings } = (await this.host.ctlOk('recordings', 'ls', '--user', name)) as RecordingList;
      return recordings.find(({ endedAt }) => endedAt === null)?.path;
    }, 'its recording');
    this.#ofKind.set(kind, { 'keeper-process': String(pid), 'recording-file': path });
  }

  /** Has somebody answer in the sandbox (test/fixtures/network/peer.py). At which addresses: IPv4, IPv6. */
  async serve(kind: Kind | 'victim', port: number): Promise<readonly string[]> {
    const source = readFileSync(join(fixtures, 'peer.py'), 'utf8');
    const args = [this.user(kind).name, '/usr/bin/python3', '-c', source, String(port)];
    const peer = this.#everything.use(new Running(this.#exec, args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    await peer.waitForOutput('ready');
    const { users } = (await this.host.ctlOk('network', 'ls')) as NetworkList;
    this.#networks = users;
    return this.addressesOf(kind);
  }

  addressesOf(kind: Kind | 'victim'): readonly string[] {
    const found = this.#networks.find(({ user }) => user === this.user(kind).name);
    return [found?.address4, found?.address6].filter((address) => typeof address === 'string');
  }

  /** What comes of connecting to each from inside: "open", or why not. */
  async reached(kind: Kind | 'victim', targets: readonly string[]): Promise<string[]> {
    const input = readFileSync(join(fixtures, 'probe.py'));
    const words = targets.map((address) => `tcp ${address} ${peerPort}`);
    const finished = await run(this.#exec, [this.user(kind).name, '/usr/bin/python3', '-', ...words], {
      input,
    });
    const lines = finished.stdout.toString().trimEnd().split('\n');
    return lines.map((line) => line.split(/\s/)[0] ?? '');
  }

  async attack(
    place: Place,
    chosen: 'all' | readonly string[],
    args: Readonly<Record<string, string>> = {},
  ): Promise<AttackAnswer[]> {
    const kind = kinds.find((one) => place.startsWith(`${one}:`)) ?? 'plain';
    const all = { ...this.#args, ...this.#ofKind.get(kind), ...args };
    return await runAttacks({
      exec: this.#exec,
      program: attackProgram,
      user: this.user(kind).name,
      place,
      chosen,
      args: all,
      ...(place.endsWith(':root') ? { inside: inImage } : {}),
    });
  }

  /** `dockershctl doctor --attack`, as an administrator runs it. */
  async doctor(kind: Kind, ...args: string[]): Promise<Finished & { report: DoctorReport }> {
    const finished = await this.host.ctl(
      'doctor',
      '--attack',
      this.user(kind).name,
      '--exec',
      this.#exec,
      ...args,
    );
    return { ...finished, report: JSON.parse(finished.stdout.toString()) as DoctorReport };
  }

  get #exec(): string {
    return join(this.host.folder, 'bin/dockersh-exec');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#everything.disposeAsync();
  }
}

async function waitForValue<T>(find: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  let found: T | undefined;
  await waitUntil(async () => {
    found = await find();
    return found !== undefined;
  }, what);
  if (found === undefined) throw new Error('unreachable');
  return found;
}
