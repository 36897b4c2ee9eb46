// doctor --live: finds what sshd opens on the host, and nothing where its connections are in the sandbox.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import type { Finished } from '../../fixtures/process.ts';
import type { SshServer } from '../../fixtures/ssh/server.ts';
import { Sshd } from '../../fixtures/ssh/sshd.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  module: true,
  modes: ['shell'],
  policy: { defaults: { image: 'host', linger: '1m' } },
  sshdLines: ['X11Forwarding yes', 'PermitTunnel yes', 'PermitUserEnvironment no'],
});

async function live(sshd: SshServer, folder: string): Promise<{ finished: Finished; found: string[] }> {
  const { host } = world();
  const { user } = world().login('shell');
  const finished = await host.ctl(
    ...['doctor', '--user', user.name, '--live', '--port', String(sshd.port), '--client', host.client],
    ...['--sshd-config', join(host.folder, folder, 'sshd_config')],
  );
  const { ways } = JSON.parse(finished.stdout.toString()) as { ways: { id: string; state: string }[] };
  expect(ways.length).toBeGreaterThan(12);
  return { finished, found: ways.filter(({ state }) => state === 'found').map(({ id }) => id) };
}

describe.skipIf(control)('doctor --live', () => {
  it('finds nothing where connections are in the sandbox, and leaves no key', async () => {
    const { host } = world();
    const { user } = world().login('shell');
    const keys = join(host.folder, 'sshd-shell/keys', user.name);
    const before = readFileSync(keys, 'utf8');
    const { finished, found } = await live(world().sshd('shell'), 'sshd-shell');
    expect(found).toEqual([]);
    expect(finished.code).toBe(0);
    expect(readFileSync(keys, 'utf8')).toBe(before);
    expect(readdirSync('/run').filter((name) => name.startsWith('dockersh-live-'))).toEqual([]);
  });

  it('finds what is open without the module', async () => {
    const { host } = world();
    const { user } = world().login('shell');
    await using sshd = await Sshd.start({
      folder: join(host.folder, 'sshd-open'),
      extraLines: ['X11Forwarding yes'],
    });
    await sshd.authorize(user.name);
    const { finished, found } = await live(sshd, 'sshd-open');
    expect(finished.code).toBe(2);
    expect(found).toEqual([
      'live-loopback',
      'live-listen',
      ...['run', 'tmp', 'var-tmp', 'dev-shm', 'proc'].map((name) => `live-socket-${name}`),
      'live-agent',
      'live-x11',
    ]);
  });
});
