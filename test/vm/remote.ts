// A system that tests reach over ssh, as from another machine, however it runs.

import { join } from 'node:path';
import { describeFinished, type Finished, Running, type RunOptions, run } from '../fixtures/process.ts';

/** Where script/test-vm keeps the systems that it made, with the key that root of each accepts. */
export const cache = process.env['DOCKERSH_VM_CACHE'] ?? '/var/cache/dockersh-test';

const given = (name: string): string => {
  const file = process.env[name];
  if (file === undefined) throw new Error('these tests are started by script/test-vm');
  return file;
};
export const debFile = (): string => given('DOCKERSH_VM_DEB');
/** The same programs as a later version. */
export const laterDebFile = (): string => given('DOCKERSH_VM_DEB_LATER');

export const suites = ['trixie', 'bookworm'] as const;
export type Suite = (typeof suites)[number];

export const environment = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
  TERM: 'xterm',
};

/** Makes accounts that root's key opens. */
export function usersScript(names: readonly string[]): string {
  return names
    .map(
      (name) => `useradd --create-home --shell /bin/bash --password '*' ${name}
        install -d -m 700 -o ${name} -g ${name} /home/${name}/.ssh
        install -m 600 -o ${name} -g ${name} /root/.ssh/authorized_keys /home/${name}/.ssh/`,
    )
    .join('\n');
}

export abstract class Remote {
  /** How ssh gets there: options with their values. */
  protected abstract route(): readonly string[];

  /** Arguments for ssh, scp, and rsync's -e, up to the host's name. */
  sshOptions(): string[] {
    return [
      ...['-F', '/dev/null', '-i', join(cache, 'id'), ...this.route()],
      ...['-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
      ...['-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=60', '-o', 'IdentityAgent=none'],
      // What both sides like best costs an eighth of a second of processor time, and an emulated one seconds.
      ...['-o', 'KexAlgorithms=curve25519-sha256'],
    ];
  }

  async ssh(
    user: string,
    command: string,
    options: RunOptions = {},
    ...further: string[]
  ): Promise<Finished> {
    return await run('ssh', [...this.sshOptions(), ...further, `${user}@guest`, '--', command], {
      env: environment,
      ...options,
    });
  }

  async sshOk(
    user: string,
    command: string,
    options: RunOptions = {},
    ...further: string[]
  ): Promise<string> {
    const result = await this.ssh(user, command, options, ...further);
    if (result.code !== 0) throw new Error(`${command}: ${describeFinished(result)}`);
    return result.stdout.toString();
  }

  /** Left running, with all streams piped. */
  startSsh(user: string, command: string, ...options: string[]): Running {
    return new Running('ssh', [...this.sshOptions(), ...options, `${user}@guest`, '--', command], {
      stdio: 'pipe',
      env: environment,
    });
  }
}
