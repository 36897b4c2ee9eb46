// Tests of the verbs about the gateway, against a real socket.

import { describe, expect, it } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import type { AdminGatewaySession } from '../../../src/protocol/admin.ts';
import { answerOk, cli, FakeDaemon } from './fake-daemon.ts';

const one: AdminGatewaySession = {
  id: 'k3x9',
  uid: Uid.parse(1000),
  user: 'ada',
  startedAt: '2026-01-02T03:04:05Z',
  from: '192.0.2.1',
  entry: 'gateway',
  auth: 'password',
};

async function ask(result: unknown, ...args: string[]) {
  await using daemon = await FakeDaemon.start(answerOk(result));
  const run = await cli(['--socket', daemon.socketPath, 'gateway', ...args]);
  return { ...run, requests: daemon.requests };
}

describe('gateway', () => {
  it('says how it is doing, and by its exit status that it does not run', async () => {
    const refused = { full: 1, address: 2, penalty: 3, failed: 0 };
    const gateway = {
      ...{ pid: 7, startedAt: '2026-01-02T03:04:05Z', listen: ['2222'], unreachable: ['443'] },
      ...{ waiting: 4, accepted: 20, loggedIn: 10, refused },
      web: { listen: ['443'], accepted: 6, loggedIn: 2 },
    };
    const { status, stdout } = await ask({ gateway, connections: 5 });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /process 7.*\n.*2222.*\n.*can’t have 443.*\n.*443: of 6 connections 2 have logged in.*\n.*5 in sandboxes, 4 not logged in/,
    );
    expect((await ask({ gateway: null, connections: 0 }, 'status')).status).toBe(3);
  });

  it('lists who is there, and ends a connection or all of a user’s', async () => {
    expect((await ask({ sessions: [one] }, 'sessions')).stdout).toContain('k3x9  ada   192.0.2.1');
    const kicked = await ask({ ended: [one] }, 'kick', 'k3x9');
    expect(kicked.stdout).toBe('ended k3x9 of ada\n');
    expect(kicked.requests).toMatchObject([{ verb: 'gateway.kick', params: { id: 'k3x9' } }]);
    const all = await ask({ ended: [one] }, 'kick', '--user', 'ada');
    expect(all.requests).toMatchObject([{ verb: 'gateway.kick', params: { user: 'ada' } }]);
    expect((await ask({ ended: [] }, 'kick')).status).toBe(64);
    expect((await ask({ ended: [] }, 'kick', 'k3x9', '--user', 'ada')).status).toBe(64);
  });
});
