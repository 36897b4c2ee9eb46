// Tests of what stats shows of networks, against a real socket that answers twice.

import { expect, it } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import type { AdminResult } from '../../../src/protocol/admin.ts';
import { cli, FakeDaemon } from './fake-daemon.ts';

type Stats = AdminResult<'stats'>;
const host = {
  memoryBytes: 8 * 1024 ** 3,
  cpus: 2,
  promisedBytes: 0,
  mostSandboxes: null,
  mostSessions: null,
  mostMemoryBytes: null,
};
const usage = (user: string, uid: number, network: Stats['sandboxes'][number]['network']) => ({
  uid: Uid.parse(uid),
  user,
  sessions: 1,
  memoryBytes: null,
  memoryLimitBytes: null,
  pids: null,
  pidsLimit: null,
  cpus: null,
  swapBytes: null,
  cpuUsec: null,
  oomKilled: null,
  disk: null,
  network,
  pressure: null,
});

it('bytes and packets of a private network each second, and the busiest first', async () => {
  let asked = 0;
  await using daemon = await FakeDaemon.start((_request, socket) => {
    asked += 1;
    const carried = (bytes: number) => ({
      bytesIn: bytes * asked,
      bytesOut: 0,
      packetsIn: 2000 * asked,
      packetsOut: 0,
    });
    const result = {
      atMs: asked * 2000,
      host,
      sandboxes: [
        usage('ada', 1000, null),
        usage('bob', 1001, carried(4096)),
        usage('eve', 1002, carried(3 * 1024 ** 2)),
      ],
    };
    socket.end(`${JSON.stringify({ ok: true, result })}\n`);
  });
  const { stdout, stderr, status } = await cli(['--socket', daemon.socketPath, 'stats', '--sort', 'network']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const rows = stdout
    .split('\n')
    .slice(2, 5)
    .map((line) => line.split(/ {2,}/));
  expect(rows.map((cells) => [cells[0], ...cells.slice(-3, -1)])).toEqual([
    ['eve', '1.5M 1000p', '0B 0p'],
    ['bob', '2K 1000p', '0B 0p'],
    ['ada', '-', '-'],
  ]);
});
