// A user who may be root inside, and may mount there, prepares the folders that a connection's view is made of: before it is
// made, and while. Whatever they are then, they are the sandbox's, and nobody is held up.

import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, Running, waitUntil } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';
import { askOutside, clientFolder, forwarding, listenOutside } from './peers.ts';

const world = useWorld({ module: true, modes: ['shell'] });
const name = `dockersh-test-${process.pid}-hostile`;

describe.skipIf(control || lacksDebian())('folders that root inside has prepared', () => {
  let login: Login;
  let neighbour: Login;
  beforeAll(async () => {
    const image = await importDebian(world().host);
    login = world().login('shell');
    neighbour = await world().addLogin('shell');
    const free = { root: 'yes', nesting: 'yes', memory: '256M', pids: '100' };
    await world().host.setPolicy({
      defaults: { image, stop_grace: '0', linger: '1h' },
      users: { [login.user.name]: free },
    });
  }, 1_200_000);

  const { uid, home } = { uid: '$(id -u)', home: '$HOME' };
  const prepared: Record<string, string> = {
    'links to everywhere': `rm -rf /var/tmp; ln -s /proc /var/tmp; mv /run/user /run/other; ln -s / /run/user; ln -s /run /tmp/run; ln -s /proc/1/root /tmp/root`,
    'the whole tree mounted in them': 'mount --rbind / /tmp; mount --rbind / /dev/shm',
    'proc mounted in them': 'mount -t proc proc /tmp; mount -t proc proc /var/tmp',
    'mounts that can’t be copied': `mount -t tmpfs t /tmp; mount --make-unbindable /tmp; mount -t tmpfs t ${home}; mkdir ${home}/m; mount -t tmpfs t ${home}/m; mount --make-unbindable ${home}/m`,
    'mounts of which there are many': `mkdir /tmp/m; for i in $(seq 2000); do mount -t tmpfs -o size=4k t /tmp/m || break; done`,
    'files in the place of folders': `umount /dev/shm; mv /dev/shm /dev/x 2>/dev/null; rm -rf /var/tmp; mkfifo /var/tmp; rm -rf /run/user/${uid}; mkfifo /run/user/${uid}`,
    'shared mounts': 'mount --make-rshared /; mount -t tmpfs t /tmp; mkdir /tmp/s',
  };

  it.each(Object.entries(prepared))('%s', async (_, script) => {
    await world().host.ctl('stop', login.user.name);
    // By no connection of sshd's: the view is to be made afterwards.
    const made = await login.direct([
      '-c',
      `sudo -n env HOME=$HOME bash -c ${quote(script.replaceAll('$(id -u)', `${login.user.uid}`))}`,
    ]);
    expect([0, 1], describeFinished(made)).toContain(made.code);
    await using folder = await clientFolder();
    const { uid: id, gid } = login.user;
    await using sleeper = new Running('sleep', ['300'], { uid: id, gid, cwd: '/' });
    const host = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/srv'].map((place) => join(place, name));
    await using _listener = await listenOutside('host', host);
    const attempts = [
      ...host,
      ...[
        '/tmp',
        '/tmp/run',
        '/tmp/root/run',
        '/var/tmp/1/root/run',
        '/tmp/1/root/run',
        '/dev/shm/run',
        '/tmp/tmp',
        '/run/user/run',
        '/run/user/tmp',
      ].map((place) => join(place, name)),
      ...['/proc', '/tmp', '/var/tmp', '/tmp/proc'].map((proc) => `${proc}/${sleeper.pid}/root/run/${name}`),
    ];
    const own = attempts.map((__, index) => join(folder.path, `${index}`));
    await using forward = await forwarding(
      login,
      attempts.map((place, index) => `-L${own[index]}:${place}`),
    );
    expect(await askOutside(own)).toEqual(attempts.map(() => 'nothing'));
    expect((await login.ssh('id -u')).stdout.toString().trim()).toBe(`${login.user.uid}`);
    expect((await neighbour.ssh('id -u')).stdout.toString().trim()).toBe(`${neighbour.user.uid}`);
    await world().host.ctlOk('stop', login.user.name);
    await waitUntil(() => forward.exited, 'the connection to end', 20_000);
  });

  it('changes while views are made', async () => {
    await world().host.ctl('stop', login.user.name);
    await login.direct(['-c', 'true']);
    await using churn = new Running(
      world().host.client,
      [
        '-c',
        `sudo -n bash -c ${quote('while :; do mount -t tmpfs t /tmp; mount --rbind / /var/tmp; mv /run/user /run/u; mv /run/u /run/user; umount -l /var/tmp; umount -l /tmp; done')}`,
      ],
      { uid: login.user.uid, gid: login.user.gid, stdio: 'pipe' },
    );
    await using _listener = await listenOutside('host', [join('/run', name)]);
    await using folder = await clientFolder();
    for (let round = 0; round < 5; round += 1) {
      const own = join(folder.path, `${round}`);
      await using _forward = await forwarding(login, [`-L${own}:/var/tmp/run/${name}`]);
      expect(await askOutside([own])).toEqual(['nothing']);
      await world().host.ctl('message', login.user.name, 'x');
    }
    expect(churn.exited).toBe(false);
    await world().host.ctlOk('stop', login.user.name);
  });
});
