// One login's way in for clients other than OpenSSH's: keys in their own formats, and what their command lines have in common.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Login } from '../../fixtures/login.ts';
import { type Finished, Running, type RunOptions, runOk } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';

/** A library of Debian's, and not of another Python that comes first in the path. */
const python = (library: string): string =>
  `/usr/bin/python3 ${join(import.meta.dirname, `with_${library}.py`)}`;

/** Where a client comes to, and how it is told so. */
export class Endpoint {
  readonly login: Login;
  /** A folder for what the clients keep, and for the test's files. */
  readonly folder: string;
  /**
   * In scripts: `dbclient $DROPBEAR`, `plink $PUTTY`, `$PARAMIKO exec`, `curl $CURL`; the place itself is `$WHERE` for the
   * clients of these, and `$HOST` for those that run OpenSSH's with `$SSH_CONFIG`.
   */
  readonly env: Record<string, string>;

  private constructor(login: Login, folder: string, env: Record<string, string>) {
    this.login = login;
    this.folder = folder;
    this.env = env;
  }

  static async of(login: Login): Promise<Endpoint> {
    const { sshd, user, host } = login;
    const folder = join(host.folder, `clients-${user.name}`);
    await mkdir(folder);
    const [dropbear, putty] = [join(folder, 'id.dropbear'), join(folder, 'id.ppk')];
    await runOk('dropbearconvert', ['openssh', 'dropbear', sshd.identity, dropbear]);
    await runOk('puttygen', [sshd.identity, '-o', putty, '-O', 'private']);
    const printed = await runOk('ssh-keygen', ['-l', '-f', join(sshd.identity, '../host_key.pub')]);
    const fingerprint = printed.split(' ')[1] ?? '';
    const place = `${sshd.port} ${user.name} ${sshd.identity}`;
    return new Endpoint(login, folder, {
      HOME: folder,
      WHERE: `${user.name}@127.0.0.1`,
      USER_NAME: user.name,
      PORT: `${sshd.port}`,
      DROPBEAR: `-y -y -i ${dropbear} -p ${sshd.port}`, // whatever its key is
      PUTTY: `-batch -hostkey ${fingerprint} -i ${putty} -P ${sshd.port}`,
      CURL: `-sS --key ${sshd.identity} --pubkey ${sshd.identity}.pub --hostpubsha256 ${fingerprint.slice('SHA256:'.length)}= -u ${user.name}:`,
      PARAMIKO: `${python('paramiko')} ${place}`,
      ASYNCSSH: `${python('asyncssh')} ${place}`,
      LIBSSH: `${python('libssh')} ${place}`,
      KEY: sshd.identity,
    });
  }

  async script(text: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return await this.login.script(text, args, {
      cwd: this.folder,
      timeoutMs: 300_000, // the test's own is less, where it says nothing else
      ...options,
      env: { ...this.env, ...options.env },
    });
  }

  /** Left running, with all three streams piped. */
  start(text: string, args: readonly string[] = []): Running {
    return new Running('bash', ['-c', text, 'bash', ...args], {
      cwd: this.folder,
      stdio: 'pipe',
      env: this.#environment,
    });
  }

  /** At a terminal of 91 columns and 33 rows. */
  terminal(text: string, args: readonly string[] = []): Terminal {
    const { folder: cwd } = this;
    return new Terminal('bash', ['-c', text, 'bash', ...args], {
      columns: 91,
      rows: 33,
      cwd,
      env: this.#environment,
    });
  }

  get #environment(): Record<string, string> {
    const { configFile, target } = this.login;
    const PATH = '/usr/local/bin:/usr/bin:/bin';
    return {
      PATH,
      TERM: 'xterm-256color',
      LANG: 'C.UTF-8',
      SSH_CONFIG: configFile,
      HOST: target,
      ...this.env,
    };
  }
}
