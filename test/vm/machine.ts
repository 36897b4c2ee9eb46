// A Debian system with its own kernel, in qemu: cgroups of version 2 with every controller, a disk of its own.
// Emulated where the processor's own virtualization does not serve its kernel (accelerator.ts), which takes patience:
// a process starts 30 times slower.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../fixtures/free-port.ts';
import { folderPrefix } from '../fixtures/leftovers.ts';
import { Running, runOk, waitUntil } from '../fixtures/process.ts';
import { accelerator } from './accelerator.ts';
import { cache, debFile, environment, Remote, type Suite } from './remote.ts';

export class Machine extends Remote implements AsyncDisposable {
  readonly folder: string;
  readonly #suite: Suite;
  readonly #port: number;
  #qemu: Running | undefined;

  private constructor(suite: Suite, folder: string, port: number) {
    super();
    this.#suite = suite;
    this.folder = folder;
    this.#port = port;
  }

  /** A fresh system with the package installed, after `script` has run in it, started. */
  static async start(suite: Suite, script: string): Promise<Machine> {
    const machine = new Machine(suite, await mkdtemp(`${folderPrefix}vm-`), await freePort());
    try {
      const args = [join(cache, suite, 'root'), debFile(), script, machine.folder];
      await runOk(join(import.meta.dirname, 'make-disk'), args, { env: environment, timeoutMs: 180_000 });
      await machine.boot();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  async boot(): Promise<void> {
    const { folder } = this;
    const how = await accelerator(this.#suite, folder);
    this.#qemu = new Running(
      'qemu-system-x86_64',
      [
        ...['-machine', 'q35', ...how, '-smp', '2', '-m', '2048'],
        ...['-kernel', join(folder, 'vmlinuz'), '-initrd', join(folder, 'initrd.img')],
        ...['-append', 'root=/dev/vda rw rootflags=prjquota console=ttyS0 quiet mitigations=off audit=0'],
        ...['-drive', `file=${join(folder, 'disk')},if=virtio,format=raw,cache=writeback`],
        ...['-netdev', `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${this.#port}-:22`],
        ...['-device', 'virtio-net-pci,netdev=net', '-device', 'virtio-rng-pci'],
        ...['-display', 'none', '-serial', `file:${join(folder, 'console')}`, '-no-reboot'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: environment },
    );
    await waitUntil(
      async () => {
        if (this.#qemu?.exited === true) throw new Error(this.console());
        return (await this.ssh('root', 'true').catch(() => undefined))?.code === 0;
      },
      'the machine to be up',
      300_000,
      () => this.console(),
    );
  }

  console(): string {
    const said = this.#qemu?.stderr.toString() ?? '';
    try {
      return `${said}${readFileSync(join(this.folder, 'console'), 'utf8').slice(-3_000)}`;
    } catch {
      return said; // it has not said anything yet
    }
  }

  /** As when its power is cut: what its kernel had not written to the disk is lost. */
  async cutPower(): Promise<void> {
    const qemu = this.#qemu;
    this.#qemu = undefined;
    qemu?.kill('SIGKILL');
    await qemu?.finished().catch(() => undefined);
    await writeFile(join(this.folder, 'console'), '');
  }

  protected route(): readonly string[] {
    return ['-o', 'HostName=127.0.0.1', '-p', String(this.#port)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    await rm(this.folder, { recursive: true, force: true });
  }
}
