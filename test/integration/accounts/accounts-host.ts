// A throw-away daemon, and accounts that are enabled and disabled on it.

import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dockershctl } from '../../fixtures/cli/dockershctl.ts';
import { Host, systemPath } from '../../fixtures/host.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, type Finished, Running, run, runOk } from '../../fixtures/process.ts';
import { endProcessesOf, TestUser } from '../../fixtures/users.ts';

export class AccountsHost implements AsyncDisposable {
  readonly host: Host;
  readonly sshdConfig: string;
  readonly #users = new AsyncDisposableStack();

  private constructor(host: Host) {
    this.host = host;
    this.sshdConfig = join(host.folder, 'ssh/sshd_config');
  }

  static async start(): Promise<AccountsHost> {
    const made = new AccountsHost(await Host.start({ outsideTmp: true }));
    // Beside the state: files are moved by renaming them.
    await mkdir(made.homes);
    const folder = join(made.host.folder, 'ssh');
    await mkdir(join(folder, 'sshd_config.d'), { recursive: true });
    await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host_key')]);
    await writeFile(
      made.sshdConfig,
      `Include ${folder}/sshd_config.d/*.conf\nHostKey ${folder}/host_key\nSubsystem sftp /usr/lib/openssh/sftp-server\n`,
    );
    return made;
  }

  get homes(): string {
    return join(this.host.folder, 'homes');
  }

  /** An account with a few files at home. */
  async user(): Promise<TestUser> {
    const user = this.#users.use(await TestUser.create({ shell: '/bin/bash', homes: this.homes }));
    this.host.uids.push(user.uid);
    const script =
      'mkdir -m 700 ~/.ssh && echo "ssh-ed25519 AAAA key" >~/.ssh/authorized_keys && echo precious >~/file';
    await this.asUser(user, script);
    return user;
  }

  adopt(user: TestUser): TestUser {
    this.host.uids.push(user.uid);
    return this.#users.use(user);
  }

  async stop(user: TestUser): Promise<void> {
    await this.host.ctlOk('stop', user.name);
  }

  async asUser(user: TestUser, script: string): Promise<void> {
    const env = { HOME: user.home, PATH: systemPath };
    await runOk('bash', ['-c', script], { uid: user.uid, gid: user.gid, cwd: user.home, env });
  }

  args(verb: string, ...args: string[]): string[] {
    const own = ['--client', this.host.client, '--sshd-config', this.sshdConfig];
    const socket = join(this.host.runFolder, 'admin.sock');
    return ['--socket', socket, ...(args.includes('--plain') ? [] : ['--json']), 'user', verb, ...own].concat(
      args.filter((arg) => arg !== '--plain'),
    );
  }

  async ctl(verb: string, ...args: string[]): Promise<Finished> {
    return await dockershctl(this.args(verb, ...args));
  }

  async ok(verb: string, ...args: string[]): Promise<Record<string, unknown>> {
    const finished = await this.ctl(verb, ...args);
    if (finished.code !== 0)
      throw new Error(`${verb}: ${describeFinished(finished)}\n${this.host.logTail()}`);
    return JSON.parse(finished.stdout.toString()) as Record<string, unknown>;
  }

  /** A verb of "user" that is told no places. */
  async bare(verb: string, ...args: string[]): Promise<Record<string, unknown>> {
    return (await this.host.ctlOk('user', verb, ...args)) as Record<string, unknown>;
  }

  /** By a process of its own. */
  async program(verb: string, ...args: string[]): Promise<Finished> {
    return await run(nodeProgram, [ctlBundle, ...this.args(verb, ...args)]);
  }

  /** Left running, with what it tells on standard error. */
  start(verb: string, ...args: string[]): Running {
    return new Running(nodeProgram, [ctlBundle, ...this.args(verb, '--plain', ...args)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** A login of the user, by the login client. */
  async inside(user: TestUser, script: string): Promise<string> {
    const { uid, gid, home } = user;
    const result = await run(this.host.client, ['-c', script], {
      uid,
      gid,
      env: { HOME: home, PATH: systemPath },
    });
    if (result.code !== 0) throw new Error(`${script}: ${describeFinished(result)}\n${this.host.logTail()}`);
    return result.stdout.toString();
  }

  /** All that enabling may change, as a text to compare. `files`: of those that user() makes. */
  async everythingOf(user: TestUser, { files = true } = {}): Promise<string> {
    const { host, sshdConfig } = this;
    const state = join(host.stateFolder, 'users', String(user.uid));
    const home = await stat(user.home);
    const lines = [
      (await runOk('getent', ['passwd', user.name])).trim(),
      (await runOk('id', ['-Gn', user.name])).trim(),
      `home ${home.ino} ${home.uid} ${home.mode.toString(8)}`,
      await runOk('bash', [
        '-c',
        `cd "$1" && find . | sort && ${files ? 'cat file &&' : ''} ls -d "$1/../.dockersh-$2" 2>/dev/null || :`,
        '-',
        user.home,
        String(user.uid),
      ]),
      `policy ${await runOk('bash', ['-c', 'ls "$1" 2>/dev/null || :', '-', join(host.folder, 'etc/conf.d')])}`,
      `sshd ${await runOk('ls', [join(sshdConfig, '../sshd_config.d')])}`,
      `state ${await runOk('bash', ['-c', 'ls "$1" 2>/dev/null || :', '-', state])}`,
      `accounts ${await runOk('bash', ['-c', 'ls "$1" 2>/dev/null || :', '-', join(host.stateFolder, 'accounts')])}`,
      `range ${(await readFile(join(host.stateFolder, 'ids.json'), 'utf8').catch(() => '')).includes(`"${user.uid}"`)}`,
    ];
    return lines.join('\n');
  }

  async endProcesses(user: TestUser): Promise<void> {
    await endProcessesOf(user.uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    await this.#users.disposeAsync();
  }
}
