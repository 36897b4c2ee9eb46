// Logs in with OpenSSH's client, which learns the gateway's host keys that it does not know yet (UpdateHostKeys), and forgets those that are gone.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useDaemonAndUser } from '../../fixtures/gateway/daemon.ts';
import { Gateway } from '../../fixtures/gateway/gateway.ts';
import { control } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';

const types = ['ed25519', 'ecdsa', 'rsa'] as const;
/** A client learns keys alone that it would take. */
const all = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512'];

describe.skipIf(control)('host keys', () => {
  let gateway: Gateway;
  let folder: string;

  const made = useDaemonAndUser(async ({ host, user, parts }) => {
    folder = join(host.folder, 'gateway');
    await mkdir(folder);
    const files = types.map((type) => join(folder, `own_${type}`));
    for (const [index, file] of files.entries())
      await runOk('ssh-keygen', ['-q', '-N', '', '-t', types[index] ?? '', '-f', file]);
    const settings = [`host_keys=${files.join(' ')}`];
    gateway = parts.use(
      await Gateway.start({ folder, runFolder: host.runFolder, client: host.clientInRun, settings }),
    );
    await gateway.authorize(user.name);
  });

  const publicKey = async (type: string): Promise<string> =>
    (await readFile(join(folder, `own_${type}.pub`), 'utf8')).split(' ').slice(0, 2).join(' ');

  it.each([
    ['ed25519', 'ssh-ed25519'],
    ['rsa', 'rsa-sha2-512'],
    ['rsa', 'rsa-sha2-256'],
  ])('are learnt by a client that knows the one for %s, by %s', async (known, algorithm) => {
    const file = join(folder, `known-${algorithm}`);
    const { user } = made();
    const stale = await readFile(`${gateway.identity}.pub`, 'utf8');
    const name = `[127.0.0.1]:${gateway.port}`;
    await writeFile(file, `${name} ${await publicKey(known)}\n${name} ${stale}`);
    const options = [
      ...['BatchMode=yes', 'StrictHostKeyChecking=yes', 'UpdateHostKeys=yes', 'HashKnownHosts=no'],
      ...[
        `UserKnownHostsFile=${file}`,
        'GlobalKnownHostsFile=/dev/null',
        `HostKeyAlgorithms=${[algorithm, ...all].join()}`,
      ],
    ];
    const args = ['-vvv', '-F', 'none', '-i', gateway.identity, '-p', String(gateway.port)];
    const words = [...args, ...options.flatMap((one) => ['-o', one]), `${user.name}@127.0.0.1`];
    const result = await run('ssh', [...words, 'sleep 0.3']);
    expect(result.code, result.stderr.toString()).toBe(0);
    // The signature that has logged in names the host key.
    expect(result.stderr.toString()).toMatch(/using publickey-hostbound-v00@openssh\.com/);
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
    const learnt = lines.map((line) => line.split(' ').slice(1, 3).join(' '));
    expect(new Set(learnt)).toEqual(new Set(await Promise.all(types.map(publicKey))));
  });
});
