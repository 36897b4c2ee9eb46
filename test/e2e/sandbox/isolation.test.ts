// Two users at once: each tries to reach what is the other's, and what is the host's.

import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pidsOfCommand } from '../../fixtures/leaks.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { type Running, run, runOk } from '../../fixtures/process.ts';
import { quote, uniqueName, uniqueSleep } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';

/** What somebody has that others must not reach. */
interface Belongings {
  name: string;
  port: number;
  sleep: string;
  pid: number;
  files: string[];
}

const world = useWorld({ modes: ['shell'] });

// Exit status 0: reached.
const probes = {
  abstractSocket: (name: string) =>
    `perl -MIO::Socket::UNIX -e ${quote(`exit(IO::Socket::UNIX->new(Peer => "\\0${name}") ? 0 : 1)`)}`,
  pathSocket: (path: string) =>
    `perl -MIO::Socket::UNIX -e ${quote(`exit(IO::Socket::UNIX->new(Peer => "${path}") ? 0 : 1)`)}`,
  port: (port: number) => `bash -c ${quote(`: </dev/tcp/127.0.0.1/${port}`)}`,
};

async function succeeds(login: Login, command: string): Promise<boolean> {
  const result = await login.ssh(command);
  expect(result.code, result.stderr.toString()).not.toBe(255);
  return result.code === 0;
}

describe.skipIf(control)('two users', () => {
  let owner: Login;
  let stranger: Login;
  let listener: Running;
  let theirs: Belongings;

  beforeAll(async () => {
    owner = world().login('shell');
    stranger = await world().addLogin('shell');
    const name = uniqueName('belongs');
    const sleep = uniqueSleep();
    const server = `use IO::Socket::INET; use IO::Socket::UNIX; $| = 1;
      $t = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 0) or die $!;
      $p = IO::Socket::UNIX->new(Listen => 5, Local => "/tmp/${name}.sock") or die $!;
      $a = IO::Socket::UNIX->new(Listen => 5, Local => "\\0${name}") or die $!;
      chmod 0777, "/tmp/${name}.sock"; print "port ", $t->sockport, ".\\n"; sleep 1000;`;
    listener = owner.start(
      `umask 0; for d in ~ /tmp /dev/shm /var/tmp; do echo secret > $d/${name}; done
       ipcmk -M 4096 -p 0666 >/dev/null; ${sleep} & exec perl -e ${quote(server)}`,
    );
    await listener.waitForOutput(/port \d+\./);
    const port = Number(/port (\d+)/.exec(listener.stdout.toString())?.[1]);
    const files = [owner.user.home, '/tmp', '/dev/shm', '/var/tmp'].map((folder) => `${folder}/${name}`);
    theirs = { name, port, sleep, pid: pidsOfCommand(sleep)[0] ?? 0, files };
    expect(theirs.pid).toBeGreaterThan(0);
  });

  afterAll(async () => {
    await listener[Symbol.asyncDispose]();
  });

  it('another session of the same user reaches all of it, which shows that the probes work', async () => {
    expect(await succeeds(owner, probes.port(theirs.port))).toBe(true);
    expect(await succeeds(owner, probes.abstractSocket(theirs.name))).toBe(true);
    expect(await succeeds(owner, probes.pathSocket(`/tmp/${theirs.name}.sock`))).toBe(true);
    expect(await succeeds(owner, `ps -eo args | grep -q '^${theirs.sleep}'`)).toBe(true);
    expect(await succeeds(owner, theirs.files.map((file) => `test -r ${file}`).join(' && '))).toBe(true);
    expect(await succeeds(owner, 'ipcs -m | grep -q 4096')).toBe(true);
  });

  it('the other user sees none of the processes', async () => {
    expect(await succeeds(stranger, `ps -eo args | grep -q '^${theirs.sleep}'`)).toBe(false);
    expect(await succeeds(stranger, `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q '[s]leep 1'`)).toBe(
      false,
    );
    // Its pid on the host, and all pids that could be its pid inside.
    const kill = `for p in ${theirs.pid} $(seq 2 300); do [ -d /proc/$p ] || kill -0 $p 2>/dev/null && [ ! -d /proc/$p ] && echo $p; done`;
    expect((await stranger.ssh(kill)).stdout.toString()).toBe('');
    expect(pidsOfCommand(theirs.sleep)).toHaveLength(1);
  });

  it('the other user reaches none of the files', async () => {
    for (const file of theirs.files) expect(await succeeds(stranger, `test -e ${file}`)).toBe(false);
    const find = `find / \\( -path /usr -o -path /proc -o -path /sys \\) -prune -o -name '${theirs.name}*' -print 2>/dev/null`;
    expect((await stranger.ssh(find)).stdout.toString()).toBe('');
    expect((await owner.ssh(find)).stdout.toString().trim().split('\n')).toHaveLength(5);
  });

  it('the other user reaches none of the sockets', async () => {
    expect(await succeeds(stranger, probes.port(theirs.port))).toBe(false);
    expect(await succeeds(stranger, probes.abstractSocket(theirs.name))).toBe(false);
    expect(await succeeds(stranger, probes.pathSocket(`/tmp/${theirs.name}.sock`))).toBe(false);
    expect(await succeeds(stranger, `grep -q ${theirs.name} /proc/net/unix`)).toBe(false);
  });

  it('the other user sees no System V IPC', async () => {
    expect(await succeeds(stranger, 'ipcs -m | grep -q 4096')).toBe(false);
    expect((await stranger.ssh('tail -qn +2 /proc/sysvipc/shm')).stdout.toString()).toBe('');
  });

  it('the other user has other ids for everybody but itself', async () => {
    const stat = 'stat -c %u:%g / /proc/1 /etc; cat /proc/self/uid_map /proc/self/gid_map';
    const maps = [owner, stranger].map(async (login) => {
      const text = (await login.ssh(stat)).stdout.toString();
      return text
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields.length === 3);
    });
    const [first = [], second = []] = await Promise.all(maps);
    expect(first.length).toBeGreaterThan(2);
    const hostIds = (rows: string[][]) =>
      rows.map((fields) => [Number(fields[1]), Number(fields[1]) + Number(fields[2]) - 1] as const);
    for (const [low, high] of hostIds(first)) {
      expect(low).toBeGreaterThan(0);
      for (const [otherLow, otherHigh] of hostIds(second)) {
        expect(high < otherLow || otherHigh < low).toBe(true);
      }
    }
  });

  describe('the host', () => {
    const name = uniqueName('host');
    const sleep = uniqueSleep();
    const servers: Server[] = [];
    const pids: number[] = [];
    let port = 0;
    let files: string[] = [];

    beforeAll(async () => {
      files = ['/tmp', '/var/tmp', '/root', '/home', '/srv', '/run', '/dev/shm', owner.user.home].map(
        (folder) => `${folder}/${name}`,
      );
      for (const file of files) await writeFile(file, 'of the host\n', { mode: 0o666 });
      for (const address of [{ host: '127.0.0.1', port: 0 }, { path: `\0${name}` }]) {
        const server = createServer((socket) => socket.end()).unref();
        await new Promise<void>((resolve) => server.listen(address, resolve));
        const bound = server.address();
        if (bound !== null && typeof bound === 'object') port = bound.port;
        servers.push(server);
      }
      const [program = '', ...args] = sleep.split(' ');
      const { uid, gid } = owner.user;
      // One of root's, one of the user's own: the uid alone must not open the way.
      for (const ids of [{}, { uid, gid }])
        pids.push(spawn(program, args, { ...ids, stdio: 'ignore' }).pid ?? 0);
    });

    afterAll(async () => {
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      for (const file of files) await rm(file, { force: true });
      for (const server of servers) server.close();
    });

    it('can be reached by the probes from the host', async () => {
      const { uid } = owner.user;
      const asUser = async (command: string) =>
        (await run('setpriv', ['--reuid', String(uid), '--clear-groups', 'bash', '-c', command])).code;
      expect(await asUser(probes.port(port))).toBe(0);
      expect(await asUser(probes.abstractSocket(name))).toBe(0);
      expect(await asUser(`kill -0 ${pids[1]}`)).toBe(0);
    });

    it('shows no process, not even of the user', async () => {
      expect(
        await succeeds(owner, `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q '[s]${sleep.slice(1)}'`),
      ).toBe(false);
      const result = await owner.ssh(`for p in ${pids.join(' ')}; do [ -d /proc/$p ] || kill -9 $p; done`);
      expect(result.stderr.toString()).not.toMatch(/not permitted/);
      expect(pidsOfCommand(sleep)).toHaveLength(2);
    });

    it('shows no file', async () => {
      const roots = ['', '/proc/1/root', '/proc/self/root', '/proc/self/cwd/../../../..'];
      const paths = roots.flatMap((root) => files.map((file) => root + file));
      const command = `for path in ${paths.join(' ')}; do [ -e $path ] && echo $path; done; echo end`;
      expect((await owner.ssh(command)).stdout.toString()).toBe('end\n');
    });

    it('shows no secret of /etc, and no folder of others', async () => {
      expect(await succeeds(owner, 'cat /etc/shadow')).toBe(false);
      expect(await succeeds(owner, 'ls /root/* /boot/* /srv/* 2>/dev/null | grep -q .')).toBe(false);
      const homes = (await owner.ssh('ls -A /home')).stdout.toString().trim();
      expect(homes).toBe(owner.user.name);
      for (const path of [world().host.folder, world().host.stateFolder]) {
        expect(await succeeds(owner, `test -e ${path}`)).toBe(false);
      }
      const hostMail = (await owner.ssh('ls -A /var/lib /var/log /var/spool 2>/dev/null')).stdout.toString();
      expect(hostMail).not.toMatch(/dpkg|wtmp/);
    });

    it('has no socket and no network that could be reached', async () => {
      expect(await succeeds(owner, probes.port(port))).toBe(false);
      expect(await succeeds(owner, probes.abstractSocket(name))).toBe(false);
      const devices = await owner.ssh('tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route');
      expect(devices.stdout.toString().trim()).toBe('lo');
      // But its own, for words of self-service.
      const sockets = await owner.ssh(
        `find /run /var/run/ /tmp -type s 2>/dev/null | grep -v ${theirs.name} | sed 's,^/var/run/,/run/,' | sort -u`,
      );
      expect(sockets.stdout.toString()).toBe('/run/dockersh/self-service\n');
    });

    it('keeps its name', async () => {
      const before = await runOk('hostname', []);
      await owner.ssh('hostname pwned; echo pwned > /proc/sys/kernel/hostname');
      expect(await runOk('hostname', [])).toBe(before);
      expect((await owner.ssh('uname -n')).stdout.toString()).not.toBe('pwned\n');
    });
  });
});
