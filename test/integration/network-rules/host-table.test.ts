// Keeps the host's table through a flush of all rules, the death of the process that it belongs to, and changes by others;
// and what it lets through where no rules inside a sandbox stand in the way.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { probeOutside, type Target } from '../../fixtures/network/probe.ts';
import type { Running } from '../../fixtures/process.ts';
import { addresses, ask, clear, Linked, type Sandbox } from './linked.ts';

const { far, host } = addresses;

let linked: Linked;
let ada: Sandbox;
let bob: Sandbox;
let space: NetworkNamespace;

beforeAll(async () => {
  linked = await Linked.create();
  ada = linked.sandbox(0);
  bob = linked.sandbox(1);
  space = linked.internet.host;
  await clear(ada);
  await clear(bob);
});
beforeEach(async () => {
  await space.ok('nft', 'flush', 'ruleset');
});
afterAll(async () => {
  await linked[Symbol.asyncDispose]();
});

const everything = (...hosts: string[]): Target[] =>
  hosts.flatMap((address) => (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })));
const resultsOf = async (from: Sandbox, ...hosts: string[]): Promise<string[]> =>
  (await probeOutside(from.space, everything(...hosts), 1)).map(({ result }) => result);
const open = Array.from({ length: 6 }, () => 'open');
/** The kernel says it once a second to the same address, however many are refused (icmp(7), icmp_ratelimit). */
const refused = Array.from({ length: 2 }, () => [
  'ECONNREFUSED',
  expect.stringMatching(/^(EHOSTUNREACH|EACCES|timeout)$/),
  expect.stringMatching(/^(EHOSTUNREACH|EACCES|timeout)$/),
]).flat();

const tableOf = async (): Promise<string> => await space.ok('nft', '-n', 'list', 'table', 'inet', 'dockersh');
const isThere = async (): Promise<boolean> =>
  (await space.ok('nft', 'list', 'tables')).includes('inet dockersh');

async function end(holder: Running): Promise<void> {
  holder.kill('SIGKILL');
  await holder.finished();
}

test('what goes out is seen as from the host', async () => {
  await using _table = await linked.hostTable();
  const outcomes = await probeOutside(ada.space, everything(...Object.values(far)), 1);
  expect(outcomes.map(({ result }) => result)).toEqual(open);
  const seen = outcomes.flatMap(({ seenAs }) => seenAs ?? []);
  expect(new Set(seen.map((address) => address.replace('::ffff:', '')))).toEqual(
    new Set(Object.values(host)),
  );
});

test('the host and other sandboxes are refused, until both are opened', async () => {
  await using table = await linked.hostTable({ open: [ada.v4] });
  expect(await resultsOf(bob, ...Object.values(host))).toEqual(refused);
  expect(await resultsOf(ada, host.v4)).toEqual(open.slice(3));
  expect(await resultsOf(ada, host.v6)).toEqual(refused.slice(3));
  expect(await resultsOf(ada, bob.v4, bob.v6)).toEqual(refused);
  const change = async (sandbox: Sandbox, on: boolean): Promise<void> => {
    for (const address of [sandbox.v4, sandbox.v6])
      expect(await ask(table, `addon.hostTableOpen('${address}', ${on})`)).toBeNull();
  };
  await change(ada, true);
  expect(await resultsOf(ada, bob.v4, bob.v6)).toEqual(refused);
  await change(bob, true);
  expect(await resultsOf(ada, bob.v4, bob.v6)).toEqual(open);
  expect(await resultsOf(bob, ada.v4, ada.v6)).toEqual(open);
  await change(bob, false);
  await change(bob, false);
  expect(await resultsOf(bob, ada.v4, ada.v6)).toEqual(refused);
  expect(await resultsOf(ada, '169.254.169.254')).toEqual(open.slice(3));
  expect(await resultsOf(bob, '169.254.169.254', 'fd00:ec2::254')).toEqual(refused);
  expect(await resultsOf(bob, '10.99.0.99', 'fd77::99')).toEqual(refused);
});

test('nobody else changes or flushes it while its process lives', async () => {
  await using table = await linked.hostTable();
  const before = await tableOf();
  expect(before).toContain('owner');
  await space.ok('nft', 'flush', 'ruleset');
  for (const command of ['delete table inet dockersh', 'flush chain inet dockersh input'])
    expect((await space.run('nft', command.split(' '))).stderr.toString()).toContain('not permitted');
  expect(await tableOf()).toBe(before);
  expect(await ask(table, 'addon.hostTableChanged(watch)')).toBe(false);
  await using other = await linked.hostTable({}, false);
  expect(await ask(other, 'addon.hostTableApply(table)')).toMatchObject({ code: 'EPERM' });
  expect(await tableOf()).toBe(before);
});

test('it stays when its process is killed, and the next one takes it over', async () => {
  const first = await linked.hostTable({ open: [ada.v4] });
  await end(first);
  expect(await isThere()).toBe(true);
  expect(await resultsOf(bob, ...Object.values(host))).toEqual(refused);
  await using second = await linked.hostTable();
  expect(await tableOf()).not.toContain(ada.v4);
  await space.ok('nft', 'flush', 'ruleset');
  expect(await isThere()).toBe(true);
  expect(await ask(second, 'addon.hostTableRemove()')).toBeNull();
  expect(await isThere()).toBe(false);
  expect(await ask(second, 'addon.hostTableRemove()')).toBeNull();
});

test('who watches hears of changes by others, and puts it back', async () => {
  await using watcher = await linked.hostTable({}, false);
  const hasChanged = async (): Promise<unknown> => await ask(watcher, 'addon.hostTableChanged(watch)');
  expect(await hasChanged()).toBe(false);
  await space.ok('nft', 'add', 'table', 'ip', 'dockersh');
  await space.ok('nft', 'add', 'table', 'inet', 'another');
  expect(await hasChanged()).toBe(false);
  const first = await linked.hostTable();
  expect(await hasChanged()).toBe(true);
  await end(first);
  await hasChanged();
  await space.ok('nft', 'flush', 'chain', 'inet', 'dockersh', 'input');
  expect(await hasChanged()).toBe(true);
  expect(await resultsOf(ada, host.v4)).toEqual(open.slice(3));
  await space.ok('nft', 'flush', 'ruleset');
  expect(await hasChanged()).toBe(true);
  expect(await ask(watcher, 'addon.hostTableApply(table)')).toBeNull();
  expect(await hasChanged()).toBe(false);
  expect(await resultsOf(ada, host.v4)).toEqual(refused.slice(3));
  expect(await resultsOf(ada, ...Object.values(far))).toEqual(open);
});

test('changes without number are heard of, even where some are lost', async () => {
  await using watcher = await linked.hostTable({}, false);
  const sets = Array.from(
    { length: 3000 },
    (_none, index) => `add set inet another s${index} { type ipv4_addr; }`,
  );
  await space.ok('nft', 'add', 'table', 'inet', 'another');
  await space.run('nft', ['-f', '-'], { input: sets.join('\n') });
  // Lost or not, nothing hangs, and it is told once.
  await ask(watcher, 'addon.hostTableChanged(watch)');
  expect(await ask(watcher, 'addon.hostTableChanged(watch)')).toBe(false);
});

test('an interface that forwards for sandboxes forwards for nobody else', async () => {
  await using lan = await NetworkNamespace.create();
  await space.ok(
    'ip',
    'link',
    'add',
    'lan0',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    String(lan.pid),
  );
  await space.ok('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'lan0');
  await space.ok('ip', 'link', 'set', 'lan0', 'up');
  await lan.ok('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'eth0');
  await lan.ok('ip', 'link', 'set', 'eth0', 'up');
  await lan.ok('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await linked.internet.internet.ok('ip', 'route', 'add', '192.0.2.0/24', 'via', host.v4);
  await linked.internet.startPeer(lan);
  const { internet } = linked.internet;
  const inward = async (): Promise<string | undefined> =>
    (await probeOutside(internet, [{ protocol: 'tcp', address: '192.0.2.2' }], 1))[0]?.result;
  const outward = async (): Promise<string | undefined> =>
    (await probeOutside(lan, [{ protocol: 'tcp', address: far.v4 }], 1))[0]?.result;
  await using table = await linked.hostTable();
  expect([await inward(), await outward()]).toEqual(['open', 'open']);
  await ask(table, "addon.hostTableApply({ ...table, closed: ['uplink0'] })");
  expect([await inward(), await outward()]).toEqual(['timeout', 'open']);
  await ask(table, "addon.hostTableApply({ ...table, closed: ['*'] })");
  expect([await inward(), await outward()]).toEqual(['timeout', 'timeout']);
  expect(await resultsOf(ada, ...Object.values(far))).toEqual(open);
});

test('what is wrong in it is told, and changes nothing', async () => {
  await using table = await linked.hostTable();
  const before = await tableOf();
  for (const wrong of [
    "{ ...table, pools: ['x'] }",
    '{ ...table, open: [7] }',
    '{}',
    "{ ...table, closed: ['a name that is too long'] }",
  ])
    expect(await ask(table, `addon.hostTableApply(${wrong})`)).toHaveProperty('message');
  expect(await ask(table, "addon.hostTableOpen('none', true)")).toHaveProperty('message');
  expect(await tableOf()).toBe(before);
  const many = `[...Array(5000).keys()].map((n) => '10.99.' + (n >> 8) + '.' + (n & 255))`;
  expect(await ask(table, `addon.hostTableApply({ ...table, open: ${many} })`)).toBeNull();
  expect((await tableOf()).match(/10\.99\.\d+\.\d+/g)?.length).toBeGreaterThanOrEqual(5000);
});
