// The image for Docker and Podman in which dockershd and the gateway run: built from the package, run by podman, and
// logged in to by ssh.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Containers } from '../fixtures/images/containers.ts';
import { lacks } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished, type Finished, run, runOk, waitUntil } from '../fixtures/process.ts';

const users = { ada: 5001, grace: 5002 };
const policy = `[defaults]
image = host
network = private
linger = forever
stop_grace = 1s
[gateway]
authorized_keys_files = /etc/dockersh/keys/%u
`;

let folder = '';
let containers: Containers;

async function built(): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: folder, SOURCE_DATE_EPOCH: '1790000000' };
  const build = async (script: string, args: readonly string[]): Promise<void> => {
    const result = await run(join(checkout, 'script', script), args, { env, timeoutMs: 580_000 });
    if (result.code !== 0) throw new Error(describeFinished(result));
  };
  await build('package', ['--no-build', '--uncompressed', '--output', join(folder, 'package')]);
  const [name = ''] = await readdir(join(folder, 'package'));
  const image = join(folder, 'image.tar');
  await build('container-image', ['--package', join(folder, 'package', name), '--output', image]);
  return image;
}

async function configure(): Promise<void> {
  await mkdir(join(folder, 'etc/keys'), { recursive: true });
  await mkdir(join(folder, 'state'));
  await writeFile(join(folder, 'etc/dockersh.ini'), policy);
  const lines = Object.entries(users).map(([name, uid]) => `${name}:${uid}\n`);
  await writeFile(join(folder, 'etc/users'), `# people\n${lines.join('')}`);
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')]);
  for (const name of Object.keys(users))
    await writeFile(join(folder, 'etc/keys', name), await readFile(join(folder, 'key.pub')));
}

async function start(): Promise<void> {
  const mounts = [`${folder}/etc:/etc/dockersh`, `${folder}/state:/var/lib/dockersh`];
  const options = ['--privileged', '--cgroupns=private', ...containers.containerOptions(20_000)];
  const volumes = mounts.flatMap((mount) => ['--volume', mount]);
  await containers.podman('run', '--detach', '--name', 'one', ...options, ...volumes, 'localhost/dockersh');
  await waitUntil(
    async () => (await ssh('ada', 'true')).code === 0,
    'the gateway to let somebody in',
    60_000,
  );
}

async function stop(): Promise<void> {
  await containers.podman('stop', '--time', '20', 'one');
  // 137: it was killed, after it had not ended by itself.
  expect(await containers.podman('inspect', '--format', '{{.State.ExitCode}}', 'one')).toBe('0\n');
  await containers.podman('rm', 'one');
}

/** By the network of the container, which has no other. */
async function ssh(user: string, command: string): Promise<Finished> {
  const pid = (await containers.podman('inspect', '--format', '{{.State.Pid}}', 'one')).trim();
  const key = ['-F', 'none', '-i', join(folder, 'key'), '-p', '2222', '-o', 'BatchMode=yes'];
  const host = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];
  const args = ['-t', pid, '-n', 'ssh', ...key, ...host, `${user}@127.0.0.1`, command];
  return await run('nsenter', args, { timeoutMs: 30_000 });
}

const said = async (user: string, command: string): Promise<string> =>
  (await ssh(user, command)).stdout.toString();

describe.skipIf(lacks('mmdebstrap', 'podman', 'runc', 'ssh-keygen'))('the container image', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dockersh-test-container-'));
    containers = new Containers(join(folder, 'podman'));
    await containers.podman('load', '--quiet', '--input', await built());
    await containers.podman(
      'tag',
      (await containers.podman('images', '--quiet')).trim(),
      'localhost/dockersh',
    );
    await configure();
    await start();
  }, 900_000);
  afterAll(async () => {
    await containers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('lets people in, each into a sandbox of their own', async () => {
    for (const [name, uid] of Object.entries(users)) {
      expect(await said(name, 'echo "$(id -u) $USER"; echo mine >~/mine')).toBe(`${uid} ${name}\n`);
    }
    expect(await said('ada', 'ls /home; cat /home/grace/mine 2>/dev/null; ps -e -o comm= | sort -u')).toBe(
      'ada\nbash\ndockersh-init\nps\nsort\n',
    );
    expect(await said('ada', 'cat /proc/net/dev | grep -c eth0; ls /var/lib/dockersh 2>/dev/null')).toBe(
      '1\n',
    );
  });

  it('starts the daemon again, and sandboxes go on', async () => {
    await ssh('ada', 'nohup sleep 1000 >/dev/null 2>&1 &');
    await containers.podman('exec', 'one', 'pkill', '-KILL', '-f', 'dockershd.js');
    await waitUntil(
      async () => (await ssh('ada', 'pgrep sleep')).code === 0,
      'the daemon to be back',
      30_000,
    );
    await containers.podman('exec', 'one', 'pkill', '-KILL', '-o', 'dockersh-gatewa');
    await waitUntil(async () => (await ssh('ada', 'true')).code === 0, 'the gateway to be back', 30_000);
  });

  it('ends with every sandbox when it is stopped, and has what users have when it is there again', async () => {
    await stop();
    await start();
    expect(await said('ada', 'cat ~/mine; pgrep sleep')).toBe('mine\n');
    await stop();
  });
});
