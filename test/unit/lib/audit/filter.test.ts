// Lines are chosen as if each had been parsed, whatever stands in them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FileLine } from '../../../../src/lib/audit/files.ts';
import { type AuditFilter, chooser } from '../../../../src/lib/audit/filter.ts';
import { chained } from './trail.ts';

const fileLine = (text: string): FileLine => ({
  file: 'audit.jsonl',
  number: 1,
  text: Buffer.from(text),
  isWhole: true,
});
const users = fc.constantFrom('ada', 'bob', 'a"b', '1000', 'ä');
const addresses = fc.constantFrom('203.0.113.7', '2001:db8::1');
const events = fc.constantFrom('login', 'login-refused', 'session-closed');
const facts = fc.record(
  {
    uid: fc.constantFrom(1000, 10_000, 7),
    user: users,
    from: addresses,
    command: fc.string(),
    code: fc.constant('E_BUSY'),
  },
  { requiredKeys: ['uid'] },
);
const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });
const time = fc
  .integer({ min: 0, max: 20 })
  .map((s) => new Date(Date.UTC(2026, 0, 1) + s * 1000).toISOString());

describe('chooser', () => {
  it('chooses what a parser of every line would', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(events, facts), { maxLength: 20 }),
        fc.record({
          user: option(fc.oneof(users, fc.constantFrom('1000', '7'))),
          from: option(addresses),
          event: option(events),
          failed: option(fc.boolean()),
          since: option(time),
          until: option(time),
        }),
        (all, filter: AuditFilter) => {
          const lines = chained(all);
          const choose = chooser(filter);
          const chosen = lines.map((line) => choose(fileLine(line))).filter((one) => one !== undefined);
          const plain = lines
            .map((line) => JSON.parse(line))
            .filter(
              (one) =>
                (filter.user === undefined || one.user === filter.user || String(one.uid) === filter.user) &&
                (filter.from === undefined || one.from === filter.from) &&
                (filter.event === undefined || one.event === filter.event) &&
                (filter.failed !== true || one.code !== undefined) &&
                (filter.since === undefined || one.at >= filter.since) &&
                (filter.until === undefined || one.at < filter.until),
            );
          expect(chosen).toEqual(plain);
        },
      ),
    );
  });

  it('takes no line that is cut, and none of somebody else’s', () => {
    const [line = ''] = chained([['login', { uid: 1000, user: 'ada' }]]);
    expect(chooser({})({ ...fileLine(line), isWhole: false })).toBeUndefined();
    expect(chooser({})(fileLine('{"user":"ada"}'))).toBeUndefined();
    expect(chooser({ user: 'ada' })(fileLine(line))).toMatchObject({ user: 'ada' });
  });
});
