// Sends raw frames, as a process with every right over its network namespace would: nothing passes the wall at the link but
// what is from its own address and to nothing closed; and where no rules are inside, the host's table holds.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { probeOutside } from '../../fixtures/network/probe.ts';
import type { Running } from '../../fixtures/process.ts';
import { addresses, ask, clear, countersOf, Linked, peerPort, type Sandbox } from './linked.ts';

const python = '/usr/bin/python3';
const { far, host } = addresses;
const port = '7100';

let linked: Linked;
let ada: Sandbox;
let bob: Sandbox;

beforeAll(async () => {
  linked = await Linked.create();
  ada = linked.sandbox(0);
  bob = linked.sandbox(1);
  // So that nothing but rules stops what is forged.
  const { host: space } = linked.internet;
  for (const name of ['all', 'default', ada.link, bob.link, 'uplink0'])
    await space.ok('sysctl', '-qw', `net.ipv4.conf.${name}.rp_filter=0`);
});
afterAll(async () => {
  await linked[Symbol.asyncDispose]();
});

class Witness implements AsyncDisposable {
  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  static async of(space: NetworkNamespace, kind: 'frames' | 'datagrams', where: string): Promise<Witness> {
    const running = space.start(python, [join(import.meta.dirname, 'witness.py'), kind, where]);
    await running.waitForOutput('ready');
    return new Witness(running);
  }

  /** Until the last one has arrived, where it does. */
  async names(last = true): Promise<string[]> {
    if (last) await this.#running.waitForOutput(/^last$/m);
    const lines = this.#running.stdout.toString().trimEnd().split('\n').slice(1);
    return [...new Set(lines)].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}

async function send(): Promise<string[]> {
  const all = [ada.v4, ada.v6, bob.v4, bob.v6, host.v4, host.v6, far.v4, far.v6];
  const output = await ada.space.ok(python, join(import.meta.dirname, 'frames.py'), ...all);
  return output.trimEnd().split('\n').sort();
}

const fair = ['last', 'later-own4', 'own4', 'own6'];

interface Seen {
  readonly sent: readonly string[];
  readonly link: readonly string[];
  readonly internet: readonly string[];
  readonly host: readonly string[];
  readonly bob: readonly string[];
}

async function sendAndSee(): Promise<Seen> {
  await using link = await Witness.of(linked.internet.host, 'frames', ada.link);
  await using internet = await Witness.of(linked.internet.internet, 'frames', 'isp0');
  await using local = await Witness.of(linked.internet.host, 'datagrams', port);
  await using neighbour = await Witness.of(bob.space, 'datagrams', port);
  const sent = await send();
  return {
    sent,
    link: await link.names(),
    internet: await internet.names(),
    host: await local.names(false),
    bob: await neighbour.names(false),
  };
}

test('without any rules frames of every kind arrive, so that what follows shows something', async () => {
  await clear(ada);
  await clear(bob);
  const seen = await sendAndSee();
  expect(seen.link).toEqual(seen.sent);
  for (const name of ['forged4', 'forged-bob4', 'forged6', 'lie4', 'round-forged4', 'to-metadata4'])
    expect(seen.internet).toContain(name);
  for (const name of ['to-host4', 'to-host6', 'round-host6', 'lie-host6']) expect(seen.host).toContain(name);
  for (const name of ['to-bob4', 'to-bob6']) expect(seen.bob).toContain(name);
});

test('at the link only what is its own passes', async () => {
  await linked.apply(ada, []);
  await clear(bob);
  const seen = await sendAndSee();
  expect(seen.link).toEqual(fair);
  expect(seen.internet).toEqual(fair);
  expect(seen.host).toEqual([]);
  expect(seen.bob).toEqual([]);
  expect((await countersOf(ada)).stopped).toBeGreaterThanOrEqual(seen.sent.length - fair.length);
});

test('at the link passes what is opened, and of members of its networks', async () => {
  await linked.apply(ada, [`rule open udp ${host.v4} 7100-7100`, `peer bob ${bob.v6}`]);
  const seen = await sendAndSee();
  expect(seen.link).toEqual([...fair, 'later-host4', 'to-bob6', 'to-host4'].sort());
});

test("with no rules inside the host's table stops the same", async () => {
  await clear(ada);
  await clear(bob);
  await using _table = await linked.hostTable();
  const seen = await sendAndSee();
  expect(seen.link).toEqual(seen.sent);
  // The host puts fragments together first, and one of it never came.
  expect(seen.internet).toEqual(fair.filter((name) => name !== 'later-own4'));
  expect(seen.host).toEqual([]);
  expect(seen.bob).toEqual([]);
});

test("an answer to an echo that nobody asked for is not another sandbox's", async () => {
  await linked.apply(ada, []);
  await linked.apply(bob, []);
  await using table = await linked.hostTable();
  const forged = `
from scapy.all import *
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
for target in "${bob.v4}", "${host.v4}":
    p = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:01")/IP(src="${ada.v4}", dst=target)/ICMP(type=0, id=7)/Raw(b"frame:echo;")
    s.sendto(bytes(p), ("eth0", 0x800))
p = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:01")/IP(src="${ada.v4}", dst="${far.v4}")/UDP(dport=7100)/Raw(b"frame:last;")
s.sendto(bytes(p), ("eth0", 0x800))`;
  await using link = await Witness.of(linked.internet.host, 'frames', ada.link);
  await using internet = await Witness.of(linked.internet.internet, 'frames', 'isp0');
  await using neighbour = await Witness.of(bob.space, 'frames', 'eth0');
  await ada.space.ok(python, '-c', forged);
  expect(await link.names()).toEqual(['echo', 'last']);
  await internet.names();
  expect(await neighbour.names(false)).toEqual([]);
  expect(await ask(table, 'addon.hostTableChanged(watch)')).toBe(false);
});

test('with no rules inside nobody comes in from outside, and sources are counted', async () => {
  await clear(ada);
  await clear(bob);
  await using _table = await linked.hostTable({ connections: 5 });
  const inside = [ada.v4, ada.v6].flatMap((address) =>
    (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })),
  );
  const outcomes = await probeOutside(linked.internet.internet, inside, 1);
  expect(outcomes.map(({ result }) => result)).toEqual(inside.map(() => 'timeout'));
  for (const address of Object.values(far)) {
    const many = Array.from({ length: 9 }, () => ({ protocol: 'tcp', address }) as const);
    const results = (await Promise.all([probeOutside(ada.space, many, 1)]))
      .flat()
      .map(({ result }) => result);
    expect(results.filter((result) => result === 'open').length).toBeGreaterThanOrEqual(1);
    const script = `
import socket
kept = []
refused = 0
for _ in range(9):
    try: kept.append(socket.create_connection(("${address}", ${peerPort}), 2))
    except OSError: refused += 1
print(len(kept), refused)`;
    expect((await bob.space.ok(python, '-c', script)).trim()).toBe('5 4');
  }
});
