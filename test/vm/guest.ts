// A Debian system that runs: its own systemd in namespaces on the running kernel (test/vm/boot). Tests reach it
// over ssh, as from another machine; what only serves to set things up enters its namespaces.

import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cgroupsOf } from '../fixtures/leaks.ts';
import { folderPrefix } from '../fixtures/leftovers.ts';
import {
  describeFinished,
  type Finished,
  Running,
  type RunOptions,
  run,
  runOk,
  waitUntil,
} from '../fixtures/process.ts';

/** Where script/test-vm keeps the systems that it made, with the key that root of each accepts. */
const cache = process.env['DOCKERSH_VM_CACHE'] ?? '/var/cache/dockersh-test';
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

const environment = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
  TERM: 'xterm',
};
let count = 0;

/** The mounted cgroup hierarchy of version 2. */
function unifiedMount(): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((each) => each.includes(' - cgroup2 '));
  if (line === undefined) throw new Error('no cgroup hierarchy of version 2 is mounted');
  return line.split(' ')[4] ?? '';
}

export interface GuestOptions {
  /** Folders of this machine that it sees, read-only: from here to there. */
  readonly binds?: Readonly<Record<string, string>>;
}

export class Guest implements AsyncDisposable {
  readonly folder: string;
  readonly #options: GuestOptions;
  readonly #cgroup: string;
  #machine: Running | undefined;

  private constructor(folder: string, options: GuestOptions) {
    this.folder = folder;
    this.#options = options;
    this.#cgroup = `dockersh-test-vm-${process.pid}-${++count}`;
  }

  /** A fresh copy of the system, started. */
  static async start(suite: Suite, options: GuestOptions = {}): Promise<Guest> {
    const folder = await mkdtemp(`${folderPrefix}vm-`);
    const guest = new Guest(folder, options);
    try {
      await runOk('cp', ['-a', '--reflink=auto', join(cache, suite, 'root'), guest.root], {
        timeoutMs: 120_000,
      });
      await guest.boot();
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  }

  get root(): string {
    return join(this.folder, 'root');
  }

  async boot(): Promise<void> {
    const binds = Object.entries(this.#options.binds ?? {}).map(([from, to]) => `${from}=${to}`);
    this.#machine = new Running(
      join(import.meta.dirname, 'boot'),
      [this.root, join(unifiedMount(), this.#cgroup), ...binds],
      { stdio: ['ignore', 'pipe', 'pipe'], env: environment },
    );
    await waitUntil(
      async () => {
        if (this.#machine?.exited === true) throw new Error(this.console());
        const state = await this.enter('systemctl', ['is-system-running']).catch(() => undefined);
        return ['running', 'degraded'].includes(state?.stdout.toString().trim() ?? '');
      },
      'the system to be up',
      60_000,
      () => this.console(),
    );
  }

  console(): string {
    const file = join(this.root, 'var/log/console');
    const said = this.#machine?.stderr.toString() ?? '';
    return `${said}${existsSync(file) ? readFileSync(file, 'utf8').slice(-4_000) : ''}`;
  }

  /** As when its power is cut: nothing of it hears of its end. */
  async cutPower(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    if (machine === undefined) return;
    machine.kill('SIGKILL');
    await machine.finished().catch(() => undefined);
    await waitUntil(
      async () => {
        for (const path of cgroupsOf(this.#cgroup).reverse()) await rmdir(path).catch(() => undefined);
        return cgroupsOf(this.#cgroup).length === 0;
      },
      `the processes in ${this.#cgroup} to end`,
      20_000,
    );
  }

  get #init(): number {
    const parent = this.#machine?.pid ?? 0;
    const pid = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ')[0];
    if (pid === undefined || pid === '') throw new Error('the system does not run');
    return Number(pid);
  }

  /** Runs a program in it, as its root, past sshd. */
  async enter(program: string, args: readonly string[], timeoutMs = 120_000): Promise<Finished> {
    return await run('nsenter', ['-t', String(this.#init), '-a', '--wdns=/', program, ...args], {
      env: { ...environment, HOME: '/root' },
      timeoutMs,
    });
  }

  async enterOk(script: string): Promise<string> {
    const result = await this.enter('bash', ['-c', `set -e\n${script}`]);
    if (result.code !== 0) throw new Error(`${script}: ${describeFinished(result)}`);
    return result.stdout.toString();
  }

  /** Arguments for ssh, scp, and rsync's -e, up to the host's name. */
  sshOptions(identity = join(cache, 'id')): string[] {
    const proxy = `nsenter -t ${this.#init} -n nc 127.0.0.1 22`;
    return [
      ...['-F', '/dev/null', '-i', identity, '-o', `ProxyCommand=${proxy}`],
      ...['-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
      ...['-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=60', '-o', 'IdentityAgent=none'],
    ];
  }

  async ssh(user: string, command: string, options: RunOptions = {}): Promise<Finished> {
    return await run('ssh', [...this.sshOptions(), `${user}@guest`, '--', command], {
      env: environment,
      ...options,
    });
  }

  async sshOk(user: string, command: string, options: RunOptions = {}): Promise<string> {
    const result = await this.ssh(user, command, options);
    if (result.code !== 0) throw new Error(`${command}: ${describeFinished(result)}`);
    return result.stdout.toString();
  }

  /** Left running, with all streams piped. */
  startSsh(user: string, command: string | undefined, ...options: string[]): Running {
    const args = [
      ...this.sshOptions(),
      ...options,
      `${user}@guest`,
      ...(command === undefined ? [] : ['--', command]),
    ];
    return new Running('ssh', args, { stdio: 'pipe', env: environment });
  }

  /** Makes accounts that root's key opens. */
  async addUsers(...names: string[]): Promise<void> {
    const script = names.map(
      (name) => `useradd --create-home --shell /bin/bash --password '*' ${name}
        install -d -m 700 -o ${name} -g ${name} /home/${name}/.ssh
        install -m 600 -o ${name} -g ${name} /root/.ssh/authorized_keys /home/${name}/.ssh/`,
    );
    await this.enterOk(script.join('\n'));
  }

  async copyIn(file: string, path: string): Promise<void> {
    await copyFile(file, join(this.root, path));
  }

  /** Puts a file into it. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.root, path)), { recursive: true });
    await writeFile(join(this.root, path), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    await rm(this.folder, { recursive: true, force: true });
    const left = (await readdir(dirname(folderPrefix))).filter((name) => this.folder.endsWith(`/${name}`));
    if (left.length > 0) throw new Error(`left over: ${left.join(' ')}`);
  }
}
