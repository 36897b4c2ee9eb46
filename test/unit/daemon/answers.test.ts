// Tells connections that are dead from those that are slow, idle or gone, by what the kernel says of them (kept/answers.ts).

import { describe, expect, it } from 'vitest';
import { unanswered } from '../../../src/daemon/kept/answers.ts';
import type { TcpState } from '../../../src/isolation/addon.ts';
import type { KeptSession, TcpEnds } from '../../../src/isolation/engine.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

const uid = Uid.parse(1000);
const ends = (port: number): TcpEnds => ['192.0.2.1', 22, '192.0.2.7', port];
const session = (id: string, port: number, more: Partial<KeptSession> = {}): KeptSession => ({
  id,
  number: 1,
  startedAt: '2026-11-30T00:00:00Z',
  from: '192.0.2.7',
  tcp: ends(port),
  keeps: true,
  leftAt: null,
  keptUntil: null,
  viewers: [],
  ...more,
});

/** What the kernel says of each connection, so long after it was touched; and who was. */
function kernel(says: Record<number, (ms: number) => TcpState | null>) {
  const touched: string[] = [];
  const began = performance.now();
  return {
    touched,
    touch: (_: Uid, id: string) => void touched.push(id),
    tcpState: ([, , , port]: TcpEnds) => says[port]?.(performance.now() - began) ?? null,
  };
}
const idle = (ms: number): TcpState => ({ owed: 0, retransmits: 0, sentMs: ms + 60_000 });
const acknowledged = (ms: number): TcpState => ({ owed: 0, retransmits: 0, sentMs: ms - 1 });
const dead = (ms: number): TcpState => ({ owed: 36, retransmits: ms > 300 ? 1 : 0, sentMs: ms - 1 });
const full = (): TcpState => ({ owed: 1_000_000, retransmits: 0, sentMs: 0 });

describe('connections', () => {
  it('are dead where what was sent is not acknowledged, in two seconds', async () => {
    const asked = kernel({ 1: dead, 2: acknowledged });
    const sessions = [session('a', 1), session('b', 2)];
    expect((await unanswered(asked, uid, sessions)).map(({ id }) => id)).toEqual(['a']);
    expect(asked.touched).toEqual(['a', 'b']);
  });

  it('are not waited for once they have answered, which nobody has before sshd has sent something', async () => {
    const began = performance.now();
    const late = (ms: number): TcpState => (ms < 60 ? idle(ms) : acknowledged(ms));
    expect(await unanswered(kernel({ 1: late }), uid, [session('a', 1)])).toEqual([]);
    expect(performance.now() - began).toBeLessThan(1000);
    const slow = (ms: number): TcpState => (ms < 60 ? idle(ms) : dead(ms));
    expect(await unanswered(kernel({ 1: slow }), uid, [session('a', 1)])).toHaveLength(1);
  });

  it('are not dead where they only carry no more, or nothing was sent at all', async () => {
    expect(await unanswered(kernel({ 1: full, 2: idle }), uid, [session('a', 1), session('b', 2)])).toEqual(
      [],
    );
  });

  it('of others at the session count, and not those who only look', async () => {
    const viewer = (port: number, looks: 'attach' | 'peek') => [
      { id: 'v', looks, from: null, tcp: ends(port) },
    ];
    const sessions = [
      session('a', 1, { viewers: viewer(2, 'attach') }),
      session('b', 1, { viewers: viewer(2, 'peek') }),
    ];
    const found = await unanswered(kernel({ 1: dead, 2: acknowledged }), uid, sessions);
    expect(found.map(({ id }) => id)).toEqual(['b']);
  });

  it('that are none of this host’s, or of sessions that are left or not kept, are not asked about', async () => {
    const asked = kernel({ 2: dead });
    const sessions = [
      session('a', 1),
      session('b', 2, { leftAt: '2026-11-30T00:00:01Z' }),
      session('c', 2, { keeps: false }),
      session('d', 2, { tcp: null }),
    ];
    expect(await unanswered(asked, uid, sessions)).toEqual([]);
    expect(asked.touched).toEqual([]);
  });
});
