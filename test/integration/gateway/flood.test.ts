// Knocks at the gateway a thousand times from one address, and says nothing: others log in as before, and no more processes are there
// than an address may have.

import { mkdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AdminResult } from '../../../src/protocol/admin.ts';
import { useDaemonAndUser } from '../../fixtures/gateway/daemon.ts';
import { Gateway } from '../../fixtures/gateway/gateway.ts';
import type { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { run, waitUntil } from '../../fixtures/process.ts';
import { childrenOf } from '../../fixtures/supervisor.ts';
import type { TestUser } from '../../fixtures/users.ts';

const flood = 1000;
const ofOneAddress = 20;
const spare = 2;

describe.skipIf(control)('a flood of connections that say nothing', () => {
  let host: Host;
  let user: TestUser;
  let gateway: Gateway;

  useDaemonAndUser(async (made) => {
    ({ host, user } = made);
    const folder = join(host.folder, 'gateway');
    await mkdir(folder);
    const settings = [
      `source_startups=${ofOneAddress}`,
      'max_startups=100 30 200',
      `spare_processes=${spare}`,
    ];
    gateway = made.parts.use(
      await Gateway.start({ folder, runFolder: host.runFolder, client: host.client, settings }),
    );
    await gateway.authorize(user.name);
  });

  const status = async (): Promise<AdminResult<'gateway.status'>> =>
    (await host.ctlOk('gateway', 'status')) as AdminResult<'gateway.status'>;

  async function logIn(): Promise<string> {
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
    const args = ['-F', 'none', '-i', gateway.identity, '-p', String(gateway.port)];
    const all = [...args, ...options.flatMap((option) => ['-o', option]), `${user.name}@127.0.0.1`, 'id -un'];
    return (await run('ssh', all)).stdout.toString();
  }

  function knock(): Promise<Socket> {
    const { port } = gateway;
    return new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      socket.on('error', () => undefined);
      socket.once('connect', () => resolve(socket));
      socket.once('close', () => resolve(socket));
      socket.resume();
    });
  }

  it('takes the places of its own address alone', async () => {
    expect(await logIn()).toBe(`${user.name}\n`);
    const sockets = await Promise.all(Array.from({ length: flood }, knock));
    await waitUntil(
      async () => ((await status()).gateway?.accepted ?? 0) > flood,
      'all of them to be accepted',
      20_000,
    );
    const { gateway: told } = await status();
    expect(told?.waiting).toBe(ofOneAddress);
    expect(told?.refused).toEqual({ full: 0, address: flood - ofOneAddress, penalty: 0, failed: 0 });
    // Two for each that waits, and those that are ready; some that are just ending.
    expect(childrenOf(gateway.pid).length).toBeLessThanOrEqual(2 * ofOneAddress + 2 * spare + 2);
    expect(await logIn()).toBe(`${user.name}\n`);
    for (const socket of sockets) socket.destroy();
    await waitUntil(async () => (await status()).gateway?.waiting === 0, 'the last of them to go', 20_000);
    expect(await logIn()).toBe(`${user.name}\n`);
  });
});
