// Looks around as sshd's processes do once pam_dockersh.so has joined their connection to a sandbox, with this test in the daemon's
// place and a small program in sshd's.

import { closeSync, openSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../../src/isolation/addon.ts';
import { failures } from '../../../src/lib/failures.ts';
import { OwnedFd } from '../../../src/lib/fd.ts';
import { u32Of, WireWriter } from '../../../src/lib/wire.ts';
import { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, run, waitUntil } from '../../fixtures/process.ts';
import { childrenOf } from '../../fixtures/supervisor.ts';
import { TestUser } from '../../fixtures/users.ts';
import { idOf, Joiner, listedIn } from './joiner.ts';

describe.skipIf(control)('the view of a connection', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;
  let joiner: Joiner;
  let init = 0;
  const inside = async (command: string): Promise<string> => {
    const result = await run(host.client, ['-c', command], { uid: user.uid, gid: user.gid });
    if (result.code !== 0) throw new Error(describeFinished(result));
    return result.stdout.toString().trim();
  };
  /** A service of the host's, at a path that is the sandbox's in the view. */
  const listenAt = async (path: string): Promise<void> => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await chmod(path, 0o777);
    parts.defer(async () => await new Promise<void>((resolve) => void server.close(() => resolve())));
  };

  beforeAll(async () => {
    const defaults = { image: 'host', linger: '1h', stop_grace: '0' };
    host = parts.use(await Host.start({ policy: { defaults } }));
    user = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
    joiner = parts.use(await Joiner.start(user, `client=${host.client}`));
    await inside('for d in ~ /tmp /var/tmp /dev/shm /run/user/$(id -u); do echo "of $d" >$d/mine; done');
    await inside('cp /bin/true /tmp/program; chmod +x /tmp/program; /tmp/program');
    init = (await host.sandboxOf(user))?.initPid ?? 0;
    await host.killDaemon();
    await joiner.takeOver(host);
  }, 120_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  it('has the sandbox’s folders at their own paths', async () => {
    const places = [user.home, '/tmp', '/var/tmp', '/dev/shm', `/run/user/${user.uid}`];
    const found = await joiner.text(`cd /; cat ${places.map((place) => `${place}/mine`).join(' ')}`);
    expect(found).toBe(places.map((place) => `of ${place}`).join('\n'));
    await joiner.text('echo out >/tmp/out; echo out >/var/tmp/out');
    expect(await joiner.text('cat /tmp/out; stat -c %u /tmp/out')).toBe(`out\n${user.uid}`);
  });

  it('has nothing of the host’s but what sshd needs', async () => {
    expect(await joiner.text('ls -A / | grep -v -e "^lib" -e "^s*bin$" | tr "\\n" " "')).toBe(
      '.etc dev etc home proc run srv sys tmp usr var',
    );
    expect(
      await joiner.text('ls -A /proc /sys; ls -A /run /srv /home /var /dev | tr "\\n" " "', true),
    ).toMatch(
      new RegExp(
        `^/proc:\\n\\n/sys:\\n/dev: full null ptmx pts random shm tty urandom zero  ` +
          `/home: ${user.name}  /run: user  /srv: ${joiner.folder.split('/').pop()}  /var: log run tmp$`,
      ),
    );
    expect(await joiner.text('ls /var/log')).toMatch(/^(btmp|lastlog|wtmp|\n)*$/);
    // Also for the monitor, which is root.
    const written = await joiner.run('touch /x /etc/x /usr/x /dev/x /home/x; ls /etc/shadow-x', true);
    expect(written.stderr.toString().match(/Read-only file system/g)).toHaveLength(5);
  });

  it('runs no program of the sandbox’s, and gives no setuid program its effect', async () => {
    expect((await joiner.run('/tmp/program')).code).toBe(126);
    expect(await joiner.text('mkdir -p /tmp/m && mknod /tmp/m/null c 1 3 && echo >/tmp/m/null', true)).toBe(
      '',
    );
    const setuid = await joiner.run('PATH=/usr/bin:/bin; su -c id </dev/null; id -u');
    expect(setuid.stdout.toString().trim()).toMatch(new RegExp(`${user.uid}$`));
  });

  it('reaches no socket of the host’s', async () => {
    const name = `dockersh-test-${process.pid}.sock`;
    for (const folder of ['/tmp', '/var/tmp', '/dev/shm', '/run', '/srv']) await listenAt(join(folder, name));
    const attempts = [
      ...['/tmp', '/var/tmp', '/dev/shm', '/run', '/var/run', '/srv', '/tmp/../run', '/proc/1/root/run'],
      ...[`/proc/${process.pid}/root/tmp`, '/proc/self/root/run', `/proc/${process.pid}/cwd/../../tmp`],
    ].map((folder) => `${folder}/${name}`);
    const script = `
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("reached", path)
    except OSError as error:
        print(error.errno)`;
    await using running = joiner.open(['python3', '-c', script, ...attempts]);
    const { stdout } = await running.finished();
    expect(stdout.toString().trim().split('\n').slice(1)).toEqual(attempts.map(() => '2'));
    // It finds those that there are.
    const own = await run('python3', ['-c', script, join('/run', name)], { uid: user.uid, gid: user.gid });
    expect(own.stdout.toString()).toContain('reached');
  });

  it('is in the sandbox’s network and by its host name, and comes back', async () => {
    await using running = joiner.open([]);
    await running.waitForOutput('open');
    const place = (pid: number, name: string): string => readlinkSync(`/proc/${pid}/ns/${name}`);
    for (const pid of [running.pid, childrenOf(running.pid)[0] ?? 0]) {
      for (const name of ['net', 'uts']) expect(place(pid, name)).toBe(place(init, name));
      for (const name of ['pid', 'user', 'ipc', 'cgroup'])
        expect(place(pid, name)).toBe(place(process.pid, name));
      for (const other of [init, process.pid]) expect(place(pid, 'mnt')).not.toBe(place(other, 'mnt'));
    }
    running.process.stdin?.end();
    expect(await running.finished()).toMatchObject({ code: 0 }); // 251 where it did not come back
  });

  it('knows accounts and groups that no file of the host’s has', async () => {
    const line = `ldap-${user.name}:x:${user.uid}:4711:A B:${user.home}:/bin/sh`;
    joiner.account = { lines: [line, `directory:x:4711:ldap-${user.name}`] };
    try {
      expect(
        await joiner.text(`getent passwd ldap-${user.name}; getent group 4711; getent passwd root`),
      ).toBe(`${line}\ndirectory:x:4711:ldap-${user.name}\nroot:x:0:0:root:/root:/bin/bash`);
      joiner.account = { lines: [`${line}\nroot2:x:0:0::/:/bin/sh`] };
      expect((await joiner.run('true')).code).toBe(254);
      joiner.account = { lines: [line, 'directory:x:4711:a:b'] };
      expect((await joiner.run('true')).code).toBe(254);
    } finally {
      joiner.account = {};
    }
  });

  it('takes a home that would cover what is ours for none', async () => {
    for (const home of ['/etc', '/usr', '/var/log', '/', '/run', '/dev']) {
      joiner.account = { lines: [`${user.name}:x:${user.uid}:${user.gid}::${home}:/bin/sh`], home: '/tmp' };
      expect(await joiner.text(`ls ${home}/mine; id -nu`)).toBe(user.name);
    }
    joiner.account = { lines: [`${user.name}:x:${user.uid}:${user.gid}::/a/b/c:/bin/sh`], home: user.home };
    expect(await joiner.text('cat /a/b/c/mine')).toBe(`of ${user.home}`);
    joiner.account = {};
  });

  it('leaves sshd’s child a pipe that nobody reads, and nothing else', async () => {
    const look = async (): Promise<string> => {
      await using running = joiner.open(['--look']);
      return (await running.finished()).stdout.toString();
    };
    joiner.treatment = 'outside';
    const before = await look();
    joiner.treatment = 'give';
    expect(await look()).toBe(`${before}pipe\n`);
  });

  it('is given to root alone, whose mount namespace is the host’s', async () => {
    const join_ = (count: number): Buffer => new WireWriter('join').text('user', user.name).finish(count);
    const attempt = async (data: Buffer, paths: readonly string[]): Promise<number | undefined> => {
      const [one, other] = addon().socketPair();
      using ours = new OwnedFd(one);
      using theirs = new OwnedFd(other);
      const fds = paths.map((path) => openSync(path, 'r'));
      addon().send(ours.borrow(), data, fds);
      for (const fd of fds) closeSync(fd);
      joiner.heard.length = 0;
      const answered = (): boolean =>
        joiner.heard.some(({ type }) => type === 'accepted' || type === 'refused');
      joiner.give(theirs.borrow());
      await waitUntil(answered, 'an answer');
      if (joiner.heard.some(({ type }) => type === 'accepted')) return 0;
      return u32Of(await joiner.next('refused'), 'failure');
    };
    const refused = failures.protocol.number;
    const own = '/proc/self/ns/mnt';
    expect(await attempt(join_(1), [own])).toBe(0);
    await joiner.next('connectionEnded');
    expect(await attempt(join_(1), [`/proc/${init}/ns/mnt`])).toBe(refused);
    expect(await attempt(join_(1), ['/proc/self/ns/net'])).toBe(refused);
    expect(await attempt(join_(1), ['/etc/passwd'])).toBe(refused);
    expect(await attempt(join_(2), [own, own])).toBe(refused);
    expect(await attempt(join_(0), [])).toBe(refused);
    expect(await attempt(new WireWriter('login').text('user', user.name).finish(1), [own])).toBe(refused);
    expect(await attempt(Buffer.from('no message'), [own])).toBe(refused);
  });

  it('is refused to somebody else’s process', async () => {
    const folder = await mkdtemp('/srv/dockersh-test-');
    parts.defer(async () => await rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o755);
    const path = join(folder, 'join');
    using listener = new OwnedFd(addon().listen(path, 0o666));
    const data = new WireWriter('join').text('user', user.name).finish(1).toString('hex');
    const script = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
ns = array.array("i", [os.open("/proc/self/ns/mnt", os.O_RDONLY)])
s.sendmsg([bytes.fromhex(sys.argv[2])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ns)])
print("answer", s.recv(1000))`;
    const own = run('python3', ['-c', script, path, data], { uid: user.uid, gid: user.gid });
    let client = -1;
    await waitUntil(() => {
      client = addon().acceptClients(listener.borrow())[1] ?? -1;
      return client >= 0;
    }, 'it to connect');
    joiner.heard.length = 0;
    {
      using connection = new OwnedFd(client);
      await waitUntil(() => joiner.joined(connection.borrow()), 'its message');
      joiner.give(connection.borrow());
    }
    const answer = await joiner.next('refused');
    expect(u32Of(answer, 'failure')).toBe(failures.protocol.number);
    expect(describeFinished(await own)).not.toContain(String.raw`DSH\x01\n`); // JOINED
  });

  it('counts for a later daemon, and as many as there may be', async () => {
    await using running = joiner.open([]);
    await running.waitForOutput('open');
    joiner.leave();
    const state = await joiner.takeOver(host);
    expect(listedIn(state)).toHaveLength(1);
    joiner.account = { most: 1 };
    joiner.heard.length = 0;
    const refused = joiner.run('true');
    expect(u32Of(await joiner.next('refused'), 'failure')).toBe(failures.sessions.number);
    expect((await refused).code).toBe(254);
    joiner.account = {};
    running.process.stdin?.end();
    expect(idOf(await joiner.next('connectionEnded'))).toBe(listedIn(state)[0]);
    joiner.leave();
    expect(listedIn(await joiner.takeOver(host))).toEqual([]);
  });
});
