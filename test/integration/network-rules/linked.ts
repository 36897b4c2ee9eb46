// Sandboxes' network namespaces, linked to a host with an internet behind it the way that supervisors do it, with rules
// that a test program puts in force. Nothing of dockersh runs but that program, and the addon's table on the host.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { probeOutside } from '../../fixtures/network/probe.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import { type Running, waitUntil } from '../../fixtures/process.ts';

export const pools = ['10.99.0.0/16', 'fd77::/64'] as const;
export const rulesProgram = join(buildFolder, 'obj/test-network/rules');
const addonFile = join(buildFolder, 'addon.node');
/** What a cloud has on a link; here it is the internet that has it. */
export const metadata = { v4: '169.254.169.254', v6: 'fd00:ec2::254' } as const;
/** Another port of every peer's. */
export const otherPort = 7008;

export interface Sandbox {
  readonly name: string;
  readonly space: NetworkNamespace;
  readonly v4: string;
  readonly v6: string;
  readonly link: string;
}

/** Lines of a plan beside addresses, pools and the host. */
export type Lines = readonly string[];

export class Linked implements AsyncDisposable {
  readonly internet: Internet;
  readonly sandboxes: readonly Sandbox[];
  readonly folder: string;
  readonly #everything: AsyncDisposableStack;
  #plans = 0;

  private constructor(
    internet: Internet,
    sandboxes: readonly Sandbox[],
    folder: string,
    stack: AsyncDisposableStack,
  ) {
    this.internet = internet;
    this.sandboxes = sandboxes;
    this.folder = folder;
    this.#everything = stack;
  }

  /** With peers on both ports of everybody. */
  static async create(count = 2): Promise<Linked> {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp('/tmp/dockersh-test-');
    stack.defer(async () => await rm(folder, { recursive: true, force: true }));
    const internet = stack.use(await Internet.create());
    await internet.startPeer(internet.internet, otherPort);
    await prepareHost(internet);
    const sandboxes = [];
    for (let index = 0; index < count; index++) {
      const space = stack.use(await NetworkNamespace.create());
      const own = { v4: `10.99.0.${5 + index}`, v6: `fd77::${5 + index}`, link: `dsh${index}-test` };
      const sandbox = { name: `s${index}`, space, ...own };
      await link(internet.host, sandbox);
      sandboxes.push(sandbox);
    }
    for (const space of [internet.host, ...sandboxes.map((sandbox) => sandbox.space)])
      await Promise.all([internet.startPeer(space), internet.startPeer(space, otherPort)]);
    await settled(sandboxes);
    return new Linked(internet, sandboxes, folder, stack.move());
  }

  sandbox(index = 0): Sandbox {
    const sandbox = this.sandboxes[index];
    if (sandbox === undefined) throw new Error(`no sandbox ${index}`);
    return sandbox;
  }

  /** A file with the sandbox's plan. */
  async plan(sandbox: Sandbox, lines: Lines): Promise<string> {
    const file = join(this.folder, `plan-${++this.#plans}`);
    const fixed = [
      `link ${sandbox.link}`,
      ...[sandbox.v4, sandbox.v6].map((address) => `address ${address}`),
      'resolver 10.99.0.1',
      ...pools.map((pool) => `pool ${pool}`),
      ...Object.values(addresses.host).map((address) => `host ${address}`),
    ];
    await writeFile(file, [...fixed, ...lines, ''].join('\n'));
    return file;
  }

  /** In place of all that it has. Returns the plan's file. */
  async apply(sandbox: Sandbox, lines: Lines): Promise<string> {
    await clear(sandbox);
    const file = await this.plan(sandbox, lines);
    await sandbox.space.ok(rulesProgram, 'apply', file);
    return file;
  }

  /** As a supervisor does while the sandbox runs. */
  async change(sandbox: Sandbox, before: string, lines: Lines): Promise<string> {
    const file = await this.plan(sandbox, lines);
    await sandbox.space.ok(rulesProgram, 'replace', before, file);
    return file;
  }

  /** A process that holds the host's table, or with `make` false could make it. What is written to it is run, and answered with a line of JSON. */
  async hostTable(settings: object = {}, make = true): Promise<Running> {
    const table = { pools, closed: [], open: [], ...settings };
    const script = `
      const addon = require(${JSON.stringify(addonFile)});
      const table = ${JSON.stringify(table)};
      ${make ? 'addon.hostTableApply(table);' : ''}
      const watch = addon.hostTableWatch();
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        let value;
        try { value = eval(line) ?? null; } catch (error) { value = { code: error.code, message: error.message }; }
        console.log(JSON.stringify({ value }));
      });
      console.log('ready');`;
    const holder = this.#everything.use(this.internet.host.start(process.execPath, ['-e', script]));
    await holder.waitForOutput('ready');
    return holder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#everything.disposeAsync();
  }
}

/** What a line given to the holder of the host's table is. */
export async function ask(holder: Running, line: string): Promise<unknown> {
  const before = holder.stdout.toString().split('\n').length;
  holder.process.stdin?.write(`${line.replaceAll('\n', ' ')}\n`);
  await holder.waitForOutput(new RegExp(`^(?:.*\n){${before}}`));
  return (JSON.parse(holder.stdout.toString().split('\n')[before - 1] ?? '') as { value: unknown }).value;
}

export async function clear(sandbox: Sandbox): Promise<void> {
  await sandbox.space.ok('nft', 'flush', 'ruleset');
}

export interface Counters {
  readonly refused: number;
  readonly over: number;
  readonly stopped: number;
}

export async function countersOf(sandbox: Sandbox): Promise<Counters> {
  return JSON.parse(await sandbox.space.ok(rulesProgram, 'counters')) as Counters;
}

/** It forwards, and the internet has what a cloud would have nearer by. */
async function prepareHost({ host, internet }: Internet): Promise<void> {
  await host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  for (const space of [host, internet])
    await space.ok('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647');
  await internet.ok('ip', 'address', 'add', `${metadata.v4}/32`, 'dev', 'lo');
  await internet.ok('ip', 'address', 'add', `${metadata.v6}/128`, 'dev', 'lo', 'nodad');
  await host.ok('ip', 'route', 'add', `${metadata.v4}/32`, 'via', addresses.gateway.v4);
  // Where the table on the host isn't there, nothing but the rules inside stands in the way.
  for (const [pool, via] of [
    [pools[0], addresses.host.v4],
    [pools[1], addresses.host.v6],
  ])
    await internet.ok('ip', 'route', 'add', String(pool), 'via', String(via));
}

/** Until the neighbours behind the host have found each other. */
async function settled(sandboxes: readonly Sandbox[]): Promise<void> {
  for (const { space } of sandboxes) {
    const targets = Object.values(addresses.far).map((address) => ({ protocol: 'udp' as const, address }));
    await waitUntil(async () => {
      const outcomes = await probeOutside(space, targets, 1);
      return outcomes.every(({ result }) => result === 'open');
    }, 'the way out');
  }
}

async function link(host: NetworkNamespace, { space, v4, v6, link: name }: Sandbox): Promise<void> {
  const mac = '02:00:00:00:00:01';
  const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(space.pid)];
  await host.ok('ip', 'link', 'add', name, 'address', mac, 'type', 'veth', ...peer);
  await host.ok('ip', 'link', 'set', name, 'arp', 'off', 'addrgenmode', 'none', 'up');
  await host.ok('ip', 'route', 'add', `${v4}/32`, 'dev', name);
  await host.ok('ip', '-6', 'route', 'add', `${v6}/128`, 'dev', name);
  await space.ok('ip', 'link', 'set', 'eth0', 'arp', 'off', 'addrgenmode', 'none', 'up');
  await space.ok('ip', 'address', 'add', `${v4}/32`, 'dev', 'eth0');
  await space.ok('ip', 'address', 'add', `${v6}/128`, 'dev', 'eth0', 'nodad');
  await space.ok('ip', 'address', 'add', '10.99.0.1/32', 'dev', 'lo');
  await space.ok('ip', 'route', 'add', 'default', 'dev', 'eth0');
  await space.ok('ip', '-6', 'route', 'add', 'default', 'dev', 'eth0');
  await space.ok('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647');
}

export { addresses, peerPort };
