// File systems that no longer answer, while a connection's view is made of what lies in them: one that a user mounts inside, and
// one of the host's that the policy shows inside. The connection comes in, or is refused in time; nobody else waits.

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, Running, run, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ module: true, modes: ['shell'] });
const program = join(import.meta.dirname, 'fuse.py');
const defaults = { image: 'host', stop_grace: '0', linger: '1h' };

/** How long it takes, too. */
async function timed(login: Login): Promise<Finished & { ms: number }> {
  const began = performance.now();
  return { ...(await login.ssh('echo in')), ms: performance.now() - began };
}

describe.skipIf(control || lacksDebian())('a file system that hangs', () => {
  let neighbour: Login;
  let image: string;
  beforeAll(async () => {
    image = await importDebian(world().host);
    neighbour = await world().addLogin('shell');
    await neighbour.ssh('true');
  }, 900_000);
  const neighbourComesIn = async (): Promise<void> => {
    expect(await timed(neighbour)).toMatchObject({ code: 0 });
  };

  it.skipIf(lacksDebian())(
    'mounted inside, is none that the host asks',
    async () => {
      const login = await world().addLogin('shell');
      const image = await importDebian(world().host);
      await world().host.setPolicy({
        defaults,
        users: { [login.user.name]: { image, root: 'yes', nesting: 'yes' } },
      });
      const { uid, gid } = login.user;
      const text = await readFile(program, 'utf8');
      const made = await run(world().host.client, ['-c', 'cat >/tmp/fuse.py'], { uid, gid, input: text });
      expect(made.code, describeFinished(made)).toBe(0);
      await using server = new Running(
        world().host.client,
        ['-c', 'exec sudo -n python3 -u /tmp/fuse.py /var'],
        { uid, gid, stdio: 'pipe' },
      );
      await server.waitForOutput('ready');
      server.process.stdin?.write('now\n');
      await server.waitForOutput('hangs');
      const [result] = await Promise.all([timed(login), neighbourComesIn()]);
      expect(result, describeFinished(result)).toMatchObject({ code: 0, stdout: Buffer.from('in\n') });
      await world().host.ctlOk('stop', login.user.name);
    },
    600_000,
  );

  it('of the host’s, is given up after ten seconds', async () => {
    const login = await world().addLogin('shell');
    const folder = join(world().host.folder, 'hung');
    await mkdir(folder);
    await world().host.setPolicy({
      defaults,
      users: { [login.user.name]: { image, mounts: `${folder}:/var` } },
    });
    await using server = new Running('python3', ['-u', program, folder], { stdio: 'pipe' });
    await server.waitForOutput('ready');
    try {
      // Where / is not shared, what has been started before does not see what is mounted.
      await world().host.killDaemon();
      await world().host.startDaemon();
      const { uid, gid } = login.user;
      const made = await run(world().host.client, ['-c', 'test -d /var/any-name'], { uid, gid });
      expect(made.code, describeFinished(made)).toBe(0);
      server.process.stdin?.write('now\n');
      await server.waitForOutput('hangs');
      for (let round = 0; round < 2; round += 1) {
        const [result] = await Promise.all([timed(login), neighbourComesIn()]);
        expect(result.code, describeFinished(result)).toBe(254);
        expect(result.ms).toBeGreaterThan(5_000);
        expect(result.ms).toBeLessThan(40_000);
      }
      await neighbourComesIn();
      await world().host.ctlOk('stop', login.user.name);
    } finally {
      await run('umount', ['-f', '-l', folder]);
    }
    await waitUntil(() => server.exited, 'the file system to be gone');
  });
});
