// A Debian system that runs: its own systemd in namespaces on the running kernel (test/vm/boot). Tests reach it
// over ssh, as from another machine; what only serves to set things up enters its namespaces.

import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cgroupsOf, mountsOf } from '../fixtures/leaks.ts';
import { claimFolder, folderPrefix, removeLeftoverHosts } from '../fixtures/leftovers.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { cache, environment, Remote, type Suite, usersScript } from './remote.ts';

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
  /** Default: "root"; "root-network" has more that is about networks (make-system). */
  readonly system?: 'root' | 'root-network';
  /** Files that it starts with: path and text. */
  readonly files?: Readonly<Record<string, string>>;
}

export class Guest extends Remote implements AsyncDisposable {
  readonly folder: string;
  readonly #options: GuestOptions;
  readonly #cgroup: string;
  #machine: Running | undefined;

  private constructor(folder: string, options: GuestOptions) {
    super();
    this.folder = folder;
    this.#options = options;
    this.#cgroup = `dockersh-test-vm-${process.pid}-${++count}`;
  }

  /** A fresh copy of the system, started. */
  static async start(suite: Suite, options: GuestOptions = {}): Promise<Guest> {
    await removeLeftoverHosts();
    const folder = await mkdtemp(`${folderPrefix}vm-`);
    const guest = new Guest(folder, options);
    await claimFolder(folder, guest.#cgroup);
    try {
      const disk = join(folder, 'disk');
      const system = join(cache, suite, `${options.system ?? 'root'}.img`);
      await runOk('cp', ['--sparse=always', '--reflink=auto', system, disk], { timeoutMs: 120_000 });
      await mkdir(guest.root);
      await runOk('mount', ['-o', 'loop', disk, guest.root]);
      for (const [path, text] of Object.entries(options.files ?? {})) await guest.write(path, text);
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

  /** PID of its first process: for what enters its namespaces. */
  get pid(): number {
    const parent = this.#machine?.pid ?? 0;
    const pid = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ')[0];
    if (pid === undefined || pid === '') throw new Error('the system does not run');
    return Number(pid);
  }

  /** Runs a program in it, as its root, past sshd. */
  async enter(program: string, args: readonly string[], timeoutMs = 120_000): Promise<Finished> {
    return await run('nsenter', ['-t', String(this.pid), '-a', '--wdns=/', program, ...args], {
      env: { ...environment, HOME: '/root' },
      timeoutMs,
    });
  }

  /** A login waits two seconds for a daemon that is on its way, and no longer. */
  async daemonAnswers(): Promise<boolean> {
    return (await this.enter('dockershctl', ['ps'])).code === 0;
  }

  async enterOk(script: string): Promise<string> {
    const result = await this.enter('bash', ['-c', `set -e\n${script}`]);
    if (result.code !== 0) throw new Error(`${script}: ${describeFinished(result)}`);
    return result.stdout.toString();
  }

  protected route(): readonly string[] {
    return ['-o', `ProxyCommand=nsenter -t ${this.pid} -n nc 127.0.0.1 22`];
  }

  /** Makes accounts that root's key opens. */
  async addUsers(...names: string[]): Promise<void> {
    await this.enterOk(usersScript(names));
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
    const isMounted = mountsOf({ folder: this.folder }).length > 0;
    // What has just ended may keep it for a moment.
    if (isMounted)
      await waitUntil(async () => (await run('umount', [this.root])).code === 0, `${this.root} to be let go`);
    await rm(this.folder, { recursive: true, force: true });
    const left = (await readdir(dirname(folderPrefix))).filter((name) => this.folder.endsWith(`/${name}`));
    if (left.length > 0) throw new Error(`left over: ${left.join(' ')}`);
  }
}
