// Tests the memory and the log of refused traffic.

import { describe, expect, it } from 'vitest';
import { RefusedTraffic } from '../../../src/isolation/network/refused.ts';
import type { Logger } from '../../../src/lib/log.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

const uid = Uid.parse(1000);

function traffic(): { refused: RefusedTraffic; lines: unknown[] } {
  const lines: unknown[] = [];
  const log = { info: (line: unknown) => lines.push(line), warn: (line: unknown) => lines.push(line) };
  return { refused: new RefusedTraffic(log as unknown as Logger), lines };
}

describe('refused traffic', () => {
  it('is counted by destination, the latest first', () => {
    const { refused, lines } = traffic();
    refused.add(uid, 'ada', ['tcp 192.0.2.1 443 2', 'udp 2001:db8::1 53 1'], new Date(1000));
    refused.add(uid, 'ada', ['tcp 192.0.2.1 443 3'], new Date(2000));
    expect(refused.of(uid)).toEqual([
      { protocol: 'tcp', address: '192.0.2.1', port: 443, count: 5, at: new Date(2000) },
      { protocol: 'udp', address: '2001:db8::1', port: 53, count: 1, at: new Date(1000) },
    ]);
    expect(lines[0]).toMatchObject({
      uid,
      user: 'ada',
      protocol: 'tcp',
      address: '192.0.2.1',
      port: 443,
      count: 2,
    });
    expect(refused.of(Uid.parse(1001))).toEqual([]);
    refused.forget(uid);
    expect(refused.of(uid)).toEqual([]);
  });

  it('is bounded in memory and in the log, and what was left out is counted', () => {
    const { refused, lines } = traffic();
    for (let port = 1; port <= 5000; port += 1)
      refused.add(uid, 'ada', [`tcp 192.0.2.1 ${port} 1`], new Date(1000));
    expect(refused.of(uid)).toHaveLength(64);
    expect(refused.of(uid)[0]?.port).toBe(5000);
    expect(lines).toHaveLength(10);
    refused.add(uid, 'ada', ['tcp 192.0.2.1 1 1'], new Date(62_000));
    expect(lines.slice(10)).toEqual([
      { uid, user: 'ada', unsaid: 4990 },
      expect.objectContaining({ port: 1 }),
    ]);
  });

  it('remembers only so many users', () => {
    const { refused } = traffic();
    for (let one = 1; one <= 10_050; one += 1)
      refused.add(Uid.parse(one), 'x', ['tcp 192.0.2.1 1 1'], new Date(0));
    expect(refused.of(Uid.parse(1))).toEqual([]);
    expect(refused.of(Uid.parse(10_050))).toHaveLength(1);
  });

  it('takes nothing else for it', () => {
    const { refused, lines } = traffic();
    refused.add(uid, 'ada', [
      '',
      'tcp',
      'tcp 192.0.2.1 443',
      'tcp 192.0.2.1 443 1 more',
      'gre evil\n 1 1',
      `tcp ${'1'.repeat(200)} 1 1`,
    ]);
    expect(refused.of(uid)).toEqual([]);
    expect(lines).toEqual([]);
  });
});
