// A daemon that cannot start, or that nobody has started, behind a socket that somebody else holds, as systemd does:
// logins wait in its queue, and nobody may wait there for ever.

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemPath } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { buildFolder, daemonBundle, nativeFolder, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, Running, run, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

/** Listens at a path on descriptor 3; becomes the command, to which the socket is passed on, after a line of input. */
const holder = `
  use Socket; $^F = 9; my ($at, $s) = shift;
  socket($s, AF_UNIX, SOCK_SEQPACKET, 0) && bind($s, pack_sockaddr_un($at)) && listen($s, 64) or die $!;
  chmod 0666, $at; fileno($s) == 3 or die; $| = 1; print "held\\n"; <STDIN>;
  $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; exec @ARGV or die $!`;

async function hold(socket: string, command: readonly string[]): Promise<Running> {
  await rm(socket, { force: true });
  const running = new Running('perl', ['-e', holder, socket, ...command], {
    stdio: 'pipe',
    env: { PATH: systemPath },
  });
  await running.waitForOutput('held\n');
  return running;
}

describe.skipIf(control)('a login in the queue of a held socket', () => {
  it('is answered by a daemon that cannot start, at a terminal and elsewhere', async () => {
    const login = world().login('shell');
    const { host } = login;
    await host.killDaemon('SIGTERM');
    const images = path.join(host.stateFolder, 'images');
    await rename(images, `${images}.away`);
    await writeFile(images, 'no folder');
    const args = [daemonBundle, '--config', host.policyFile, '--state', host.stateFolder];
    const more = ['--run', host.runFolder, '--libexec', buildFolder, '--cgroup', host.cgroup];
    const socket = path.join(host.runFolder, 'login.sock');
    await using held = await hold(socket, [nodeProgram, ...args, ...more]);
    await using terminal = login.terminal('echo ran');
    await using plain = login.start('echo ran');
    await terminal.expect(/Waiting for the login service/);
    held.process.stdin?.write('\n');
    const daemon = await held.finished();
    expect(daemon.code, describeFinished(daemon)).not.toBe(0);
    expect(daemon.stderr.toString()).toMatch(/ENOTDIR|EEXIST/);
    const result = await plain.finished();
    expect([result.code, result.stdout.toString()]).toEqual([125, '']);
    expect(result.stderr.toString()).toMatch(
      /not running \(it could not be started\)[\s\S]*E_DAEMON_DOWN, session/,
    );
    expect((await terminal.exited()).code).toBe(125);
    expect(terminal.text).toMatch(/could not be started/);
    await rm(images);
    await rename(`${images}.away`, images);
    await host.startDaemon();
    expect((await login.ssh('exit 3')).code).toBe(3);
  });

  it('gives up when there is no word from anybody', async () => {
    const { host, user } = world().login('shell');
    const folder = path.join(host.folder, 'impatient');
    await mkdir(folder);
    const flags = 'LOGIN_FLAGS=-DSILENCE_MS=300';
    await runOk('make', ['-s', '-C', nativeFolder, 'login', `RUN_DIR=${folder}`, `OUT=${folder}`, flags]);
    await using _held = await hold(path.join(folder, 'login.sock'), ['true']);
    const [said, { uid, gid }] = [path.join(folder, 'said'), user];
    // Into a file: a pipe would stay open in the socket's queue, and whoever reads it would wait for its end.
    const script = `setpriv --reuid=${uid} --regid=${gid} --clear-groups ${folder}/dockersh -c 'echo ran' >${said} 2>&1`;
    expect((await run('/bin/sh', ['-c', script])).code).toBe(125);
    expect(await readFile(said, 'utf8')).toMatch(
      /^dockersh: The login service \(dockershd\) does not answer, [^\n]*\n$/,
    );
  });
});

it.skipIf(control)('a session that was killed before it began is not an exit status', async () => {
  // A sandbox that is stopped while the session's process gets ready for its program: nobody can time that.
  const { host, user } = world().login('shell');
  await host.killDaemon('SIGTERM');
  const supervisor = `import socket,struct,sys,os
s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.bind(sys.argv[1]); s.listen(); os.chmod(sys.argv[1],0o666)
print('up',flush=True)
c,_=s.accept(); c.recv(1<<18)
c.send(struct.pack('<IHHI',0x01485344,3,0,24)+struct.pack('<III',12,4,1)+struct.pack('<III',11,4,9)); c.recv(1)`;
  const socket = path.join(host.runFolder, 'login.sock');
  await rm(socket, { force: true });
  await using told = new Running('python3', ['-c', supervisor, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await told.waitForOutput('up');
  const { uid, gid } = user;
  const result = await run(host.client, ['-c', 'echo ran'], { uid, gid });
  expect([result.code, result.signal, result.stderr.toString()]).toEqual([null, 'SIGKILL', '']);
  await rm(socket);
  await host.startDaemon();
});
