// Sets up the place that all benchmarks of one run share: a throw-away daemon, users, and the contenders.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { callAdmin } from '../src/cli/client.ts';
import { Host } from '../test/fixtures/host.ts';
import { processesOf } from '../test/fixtures/leaks.ts';
import { runOk, waitUntil } from '../test/fixtures/process.ts';
import { TestUser } from '../test/fixtures/users.ts';
import { type Account, bareEnter, type Contender, keptName, ours, plain } from './contenders.ts';
import { installedOthers } from './others.ts';

export class Field implements AsyncDisposable {
  readonly host: Host;
  readonly account: Account;
  /** That of the checkout which is compared with. */
  readonly #other: Host | undefined;
  readonly #stack: AsyncDisposableStack;
  /** Part of the stack, below the host: a user can go only when nothing runs as that user. */
  readonly #users: AsyncDisposableStack;
  #others: { contenders: Contender[]; absent: string[] } | undefined;

  private constructor(
    host: Host,
    other: Host | undefined,
    account: Account,
    users: AsyncDisposableStack,
    stack: AsyncDisposableStack,
  ) {
    this.host = host;
    this.#other = other;
    this.account = account;
    this.#users = users;
    this.#stack = stack;
  }

  /** `against`: another built checkout, or undefined. */
  static async create(against: string | undefined): Promise<Field> {
    await using stack = new AsyncDisposableStack();
    const users = stack.use(new AsyncDisposableStack());
    const host = stack.use(await startHost({}));
    const other =
      against === undefined ? undefined : stack.use(await startHost({ checkout: resolve(against) }));
    const account = await addUser(host, users, '/bin/bash');
    return new Field(host, other, account, users, stack.move());
  }

  /** Users whose login shell is this program; they are gone with the field. */
  async users(count: number, shell: string): Promise<Account[]> {
    const accounts: Account[] = [];
    for (let index = 0; index < count; index++) {
      accounts.push(await addUser(this.host, this.#users, shell));
    }
    return accounts;
  }

  /** Somebody whose sessions on a terminal are kept when their connection ends. */
  async kept(): Promise<Contender> {
    const account = await addUser(this.host, this.#users, '/bin/bash');
    await this.host.setPolicy({ defaults, users: { [account.name]: { on_hangup: 'keep', reattach: 'no' } } });
    return ours(account, this.host.client, () => this.stop([account]), keptName);
  }

  async contenders(): Promise<{ contenders: Contender[]; absent: string[] }> {
    this.#others ??= await installedOthers(this.account, this.#stack);
    const { contenders, absent } = this.#others;
    const { account, host } = this;
    const own = [
      plain(account),
      ours(account, host.client, () => this.stop([account])),
      bareEnter(account, await this.#initPid()),
    ];
    const other = this.#other;
    if (other !== undefined) {
      const stop = (): Promise<void> => stopSandboxes(other, [account]);
      own.push(ours(account, other.client, stop, 'the other build'));
    }
    return { contenders: [...own, ...contenders], absent };
  }

  /** Of the account's sandbox, which runs from then on. */
  async #initPid(): Promise<number> {
    const { uid, gid, name } = this.account;
    await runOk(this.host.client, ['-c', 'true'], { uid, gid });
    const pid = (await this.host.sandboxes()).find(({ user }) => user === name)?.initPid;
    if (pid === undefined) throw new Error('the sandbox does not run');
    return pid;
  }

  /** Stops the users' sandboxes and waits until nothing of them is left. */
  async stop(accounts: readonly Account[]): Promise<void> {
    await stopSandboxes(this.host, accounts);
  }

  /** Memory, in KiB (PSS), of our processes that serve sandboxes; the daemon is not one of them. */
  sandboxMemory(): { pssKiB: number; processes: number } {
    const own = processesOf(this.host.scope).filter(({ exe }) => exe.startsWith('dockersh-'));
    const pssKiB = own.reduce((sum, { pid }) => sum + pssOf(pid), 0);
    return { pssKiB, processes: own.length };
  }

  daemonMemory(): number {
    return pssOf(this.host.daemonPid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const defaults = { image: 'host', linger: 'forever' };

async function startHost(options: { checkout?: string }): Promise<Host> {
  const host = await Host.start({ policy: { defaults }, ...options });
  // Tests want a log of everything; what is measured is a daemon as it is installed.
  await host.killDaemon('SIGTERM');
  await host.startDaemon('--log-level', 'info');
  return host;
}

async function stopSandboxes(host: Host, accounts: readonly Account[]): Promise<void> {
  const socketPath = join(host.runFolder, 'admin.sock');
  await Promise.all(accounts.map(({ name }) => callAdmin('stop', { user: name }, { socketPath })));
  const names = new Set(accounts.map(({ name }) => name));
  await waitUntil(async () => {
    const { sandboxes } = await callAdmin('ps', {}, { socketPath });
    return !sandboxes.some(({ user }) => names.has(user));
  }, 'the sandboxes to be gone');
}

async function addUser(host: Host, stack: AsyncDisposableStack, shell: string): Promise<Account> {
  const user = stack.use(await TestUser.create({ shell }));
  host.uids.push(user.uid);
  const { name, uid, gid, home } = user;
  return { name, uid, gid, home };
}

/** Proportional set size, proc_pid_smaps_rollup(5). */
export function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? Number.NaN);
}
