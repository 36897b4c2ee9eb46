// A throw-away daemon with one user, and commands run in that user's sandbox.

import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dockershctl } from '../../fixtures/cli/dockershctl.ts';
import { Host, type HostOptions } from '../../fixtures/host.ts';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import { describeFinished, type Finished } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';

export class VerbsHost implements AsyncDisposable {
  readonly host: Host;
  readonly user: TestUser;
  readonly #stack: AsyncDisposableStack;

  private constructor(host: Host, user: TestUser, stack: AsyncDisposableStack) {
    this.host = host;
    this.user = user;
    this.#stack = stack;
  }

  static async start(options: HostOptions = {}): Promise<VerbsHost> {
    await using stack = new AsyncDisposableStack();
    const user = stack.use(await TestUser.create({ shell: '/bin/bash' }));
    const host = stack.use(await Host.start(options));
    host.uids.push(user.uid);
    return new VerbsHost(host, user, stack.move());
  }

  get name(): string {
    return this.user.name;
  }

  /** A root filesystem whose folder /srv is everybody's to write. */
  async rootfs(name: string, files: Record<string, string> = {}): Promise<string> {
    const folder = await makeRootfs(join(this.host.folder, name), { files });
    await mkdir(join(folder, 'srv'), { recursive: true });
    await chmod(join(folder, 'srv'), 0o777);
    return folder;
  }

  /** Runs a line of the shell in the user's sandbox; its output. */
  async inside(script: string): Promise<string> {
    const result = await this.exec('/bin/sh', '-c', script);
    if (result.code !== 0) throw new Error(`${script}: ${describeFinished(result)}\n${this.host.logTail()}`);
    return result.stdout.toString();
  }

  async exec(...command: string[]): Promise<Finished> {
    return await this.host.ctl('exec', this.name, '--', ...command);
  }

  /** `dockershctl` as a person gets it, without --json. */
  async plain(...args: string[]): Promise<Finished> {
    const socket = join(this.host.runFolder, 'admin.sock');
    return await dockershctl(['--socket', socket, ...args], { timeoutMs: 300_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
