// Connections of sshd's to a sandbox with a private network: forwards go by its rules and its names, and its link goes with it.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { run, waitUntil } from '../../fixtures/process.ts';
import { parentOf } from '../../fixtures/supervisor.ts';
import { askOutside, clientFolder, forwarding, listenInside } from './peers.ts';

const policy = { defaults: { image: 'host', network: 'private', linger: '5m', stop_grace: '0' } };

it.skipIf(control)(
  'forwards go into the private network, which is taken away with its sandbox',
  async () => {
    await using internet = await Internet.create();
    await internet.startPeer(internet.host);
    await using world = await internet.world({ module: true, policy });
    const login = await world.addLogin('shell');
    await using folder = await clientFolder();
    const links = async (): Promise<string[]> =>
      (await run(...world.host.command('ip', ['-br', 'link']))).stdout
        .toString()
        .split('\n')
        .filter((line) => line.startsWith('dsh'));
    for (const how of ['stopped', 'killed', 'stopped']) {
      const own = join(folder.path, how);
      await using _listener = await listenInside(login, 'inside', ['/tmp/private.sock']);
      await using forward = await forwarding(login, [`-L${own}:/tmp/private.sock`]);
      expect(await askOutside([own])).toEqual(['inside']);
      expect(await links()).toHaveLength(1);
      const host = await login.ssh(undefined, { options: ['-W', `${addresses.host.v4}:22`], input: '' });
      expect(host.stdout.toString()).toBe('');
      const hosts = await login.ssh('cat /etc/resolv.conf');
      expect(hosts.stdout.toString()).toContain('nameserver');
      if (how === 'killed')
        process.kill(parentOf((await world.host.sandboxOf(login.user))?.initPid ?? 0), 'SIGKILL');
      else await world.host.ctlOk('stop', login.user.name);
      expect((await login.ssh('echo again')).stdout.toString()).toBe('again\n');
      await waitUntil(() => forward.exited, 'the connection to end', 10_000);
      await waitUntil(async () => (await links()).length === 1, 'the link to be gone', 10_000);
      await run('rm', ['-f', own]);
      await login.ssh('rm -f /tmp/private.sock');
    }
  },
  180_000,
);
