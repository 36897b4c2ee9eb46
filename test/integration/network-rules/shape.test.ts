// Compares the rules that are in force with what nft(8) reads of them: each in its place, with what it is about.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { addresses, clear, Linked, type Sandbox } from './linked.ts';

let linked: Linked;
let ada: Sandbox;

beforeAll(async () => {
  linked = await Linked.create(1);
  ada = linked.sandbox(0);
});
afterAll(async () => {
  await linked[Symbol.asyncDispose]();
});

type Expression = Readonly<Record<string, unknown>>;

interface Listed {
  readonly nftables: readonly {
    readonly rule?: { readonly family: string; readonly chain: string; readonly expr: readonly Expression[] };
    readonly chain?: {
      readonly family: string;
      readonly name: string;
      readonly policy?: string;
      readonly prio?: number;
    };
  }[];
}

const listed = async (): Promise<Listed> =>
  JSON.parse(await ada.space.ok('nft', '-j', 'list', 'ruleset')) as Listed;

/** What becomes of a packet: a chain's name, or the verdict's. */
function endOf(expressions: readonly Expression[]): string {
  const last = expressions.at(-1) ?? {};
  const { goto } = last as { goto?: { target: string } };
  return goto?.target ?? Object.keys(last)[0] ?? '';
}

const rulesOf = (list: Listed, family: string, chain: string): (readonly Expression[])[] =>
  list.nftables.flatMap(({ rule }) => (rule?.family === family && rule.chain === chain ? [rule.expr] : []));

const plan = [
  'rule allow tcp 192.0.2.0/25 443-443',
  'rule allow udp 0.0.0.0/0 53-53',
  'rule allow udp ::/0 53-53',
  'rule allow tcp 192.0.2.128/25 443-443',
  'rule allow tcp 198.51.100.0/28 443-443',
  'rule allow tcp @1 443-443',
  'rule deny tcp 192.0.2.0/24 25-25',
  'rule deny any 2001:db8:bad::/48 0-65535',
  `rule open tcp ${addresses.host.v4} 22-23`,
  'peer bob 10.99.0.6',
  'connections 64',
  'new_connections 16',
];

test('the rules stand in their order', async () => {
  await linked.apply(ada, plan);
  const list = await listed();
  const output = rulesOf(list, 'inet', 'output');
  expect(output.map(endOf)).toEqual([
    ...['accept', 'refuse', 'refuse', 'pass', 'pass', 'closed', 'closed', 'accept'],
    ...['pass', 'pass', 'pass', 'pass', 'pass', 'refuse'],
  ]);
  // Two halves are a whole, and what is alike but for the target is one rule.
  const text = output.map((rule) => JSON.stringify(rule));
  expect(text[9]).toContain(
    '{"set":[{"prefix":{"addr":"192.0.2.0","len":24}},{"prefix":{"addr":"198.51.100.0","len":28}}]}',
  );
  expect(text[3]).toContain('{"range":[22,23]}');
  expect(text[8]).toContain('@pinned4_1');
  expect(rulesOf(list, 'inet', 'input').map(endOf)).toEqual([
    ...['accept', 'accept', 'drop', 'drop', 'accept', 'pass', 'drop', 'drop', 'accept', 'accept'],
  ]);
  const pass = rulesOf(list, 'inet', 'pass').map((rule) => JSON.stringify(rule));
  expect(pass[3]).toContain('{"limit":{"rate":16,"burst":16,"per":"second","inv":true}}');
  expect(pass[4]).toContain('{"ct count":{"val":64,"inv":true}}');
});

test('what no rule decides is dropped, also for the wall', async () => {
  await linked.apply(ada, plan);
  const policies = (await listed()).nftables.flatMap(({ chain }) =>
    chain?.policy === undefined ? [] : [`${chain.family} ${chain.name} ${chain.policy}`],
  );
  expect(policies.sort()).toEqual([
    'inet forward drop',
    'inet input drop',
    'inet output drop',
    'inet untracked_in accept',
    'inet untracked_out accept',
    'netdev wall drop',
  ]);
});

test('a change leaves what it is not about, and nothing of what was', async () => {
  const before = await linked.apply(ada, plan);
  const first = await ada.space.ok('nft', 'list', 'ruleset');
  const between = await linked.change(ada, before, ['rule deny any 0.0.0.0/0 0-65535', 'dns other']);
  expect(await ada.space.ok('nft', 'list', 'ruleset')).not.toContain('pinned');
  await linked.change(ada, between, plan);
  expect(await ada.space.ok('nft', 'list', 'ruleset')).toBe(first);
});

test('what can not be made changes nothing', async () => {
  await clear(ada);
  await linked.apply(ada, plan);
  const before = await ada.space.ok('nft', 'list', 'ruleset');
  const plans = [await linked.plan(ada, ['rule deny any @2 0-65535']), await linked.plan(ada, plan)] as const;
  // It would remove a set that is not there.
  await expect(linked.change(ada, plans[0], ['dns x'])).rejects.toThrow('remove a set');
  expect(await ada.space.ok('nft', 'list', 'ruleset')).toBe(before);
});
