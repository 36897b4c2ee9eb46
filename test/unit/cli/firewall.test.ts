// Tests of what is read out of the list of nftables' rules, whatever it says.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barriersIn } from '../../../src/cli/host/firewall.ts';
import { holds, textOf } from '../lib/holds.ts';

const chain = (policy: string, table = 'filter', name = 'FORWARD') => ({
  chain: { family: 'ip', table, name, handle: 1, type: 'filter', hook: 'forward', prio: 0, policy },
});
const rule = (expr: readonly unknown[], table = 'filter') => ({
  rule: { family: 'ip', table, chain: 'FORWARD', handle: 2, expr },
});
const named = (key: string, right: string) => ({ match: { op: '==', left: { meta: { key } }, right } });
const established = {
  match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] },
};
const accept = { accept: null };
const listed = (...all: readonly unknown[]) =>
  barriersIn(JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6' } }, ...all] }))?.map(
    ({ what }) => what,
  );

describe('a chain that drops what passes through', () => {
  it('is in the way of all', () => {
    expect(listed(chain('drop'))).toEqual(['out']);
    expect(listed(chain('drop'), rule([named('iifname', 'docker0'), accept]))).toEqual(['out']);
    expect(listed(chain('drop'), rule([named('iifname', 'dsh*'), { drop: null }]))).toEqual(['out']);
    expect(listed(chain('drop'), rule([named('iifname', 'dsh*'), accept], 'other'))).toEqual(['out']);
  });

  it('is in the way of answers alone', () => {
    const out = rule([named('iifname', 'dsh*'), accept]);
    expect(listed(chain('drop'), out)).toEqual(['back']);
    expect(listed(chain('drop'), out, rule([named('oifname', 'docker0'), established, accept]))).toEqual([
      'back',
    ]);
    expect(listed(chain('drop'), out, rule([established, accept]))).toEqual([]);
    expect(listed(chain('drop'), out, rule([named('oifname', 'dsh*'), established, accept]))).toEqual([]);
  });

  it("is ufw's as long as that is enabled", () => {
    const other = (name: string) => ({ chain: { family: 'ip', table: 'filter', name, handle: 3 } });
    const whose = (...names: string[]) =>
      barriersIn(JSON.stringify({ nftables: [chain('drop'), ...names.map(other)] }))?.map((one) => one.whose);
    expect(whose('DOCKER-USER', 'ufw-before-forward', 'ufw-user-forward')).toEqual(['ufw']);
    expect(whose('DOCKER-USER', 'ufw-before-forward')).toEqual(['docker']);
    expect(whose('ufw-before-forward')).toEqual(['other']);
  });

  it('is not there where all is accepted, or it is our own', () => {
    expect(listed(chain('accept'))).toEqual([]);
    expect(listed(chain('drop', 'dockersh'))).toEqual([]);
    expect(listed()).toEqual([]);
  });
});

holds(
  'any text is a list of rules, or nothing',
  fc.property(
    fc.oneof(textOf('{"nftables":', '[', ']', '{', '}', '"chain":', 'null', ','), fc.json()),
    (text) => {
      const found = barriersIn(text);
      expect(found === undefined || Array.isArray(found)).toBe(true);
    },
  ),
);
holds(
  'whatever the rules are made of',
  fc.property(fc.array(fc.record({ chain: fc.anything(), rule: fc.anything() })), (all) => {
    barriersIn(JSON.stringify({ nftables: [chain('drop'), ...all] }));
  }),
);
