// A Debian system with its own kernel, in qemu: cgroups of version 2 with every controller, a disk of its own.
// Emulated where the processor's own virtualization does not serve its kernel (accelerator.ts), which takes patience:
// a process starts 30 times slower.

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../fixtures/free-port.ts';
import { folderPrefix } from '../fixtures/leftovers.ts';
import {
  describeFinished,
  type Finished,
  Running,
  type RunOptions,
  runOk,
  waitUntil,
} from '../fixtures/process.ts';
import { accelerator } from './accelerator.ts';
import { adminSocket, script as ctlScript, machinesEnd, serveCtl } from './ctl-server.ts';
import { cache, debFile, environment, Remote, type Suite } from './remote.ts';

export class Machine extends Remote implements AsyncDisposable {
  readonly folder: string;
  readonly #suite: Suite;
  readonly #port: number;
  #qemu: Running | undefined;
  #ctl: Server | undefined;
  /** By their sockets. */
  readonly #connections = new Map<string, Promise<Running>>();

  private constructor(suite: Suite, folder: string, port: number) {
    super();
    this.#suite = suite;
    this.folder = folder;
    this.#port = port;
  }

  /**
   * A fresh system with the package installed, after `script` has run in it, started. `more` makes a second disk, in the
   * file that it is told.
   */
  static async start(
    suite: Suite,
    script: string,
    more?: (file: string) => Promise<unknown>,
  ): Promise<Machine> {
    const machine = new Machine(suite, await mkdtemp(`${folderPrefix}vm-`), await freePort());
    try {
      const system = join(cache, suite);
      const ctl = `cat >/usr/local/sbin/dockershctl <<'CTL'\n${ctlScript}CTL\nchmod 755 /usr/local/sbin/dockershctl`;
      // A session of systemd-logind's for each command takes an emulated processor longer than the command.
      const sessions = `sed -i '/pam_systemd/d' /etc/pam.d/common-session`;
      const args = [system, debFile(), [script, ctl, sessions].join('\n'), machine.folder];
      const making = runOk(join(import.meta.dirname, 'make-disk'), args, {
        env: environment,
        timeoutMs: 180_000,
      });
      // What does not serve the kernel is waited for to the end: meanwhile.
      await Promise.all([making, accelerator(suite, system)]);
      await more?.(machine.#secondDisk);
      machine.#ctl = await serveCtl(machine.#ctlSocket, machine.#adminSocket);
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
    // In a session of its own, so that it has a share of the processors like every other one, and ends with us all the same.
    this.#qemu = new Running(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'qemu-system-x86_64'],
        ...['-machine', 'q35', ...how, '-smp', '2', '-m', '2048'],
        ...['-kernel', join(folder, 'vmlinuz'), '-initrd', join(folder, 'initrd.img')],
        ...[
          '-append',
          // Without the clearing of memory that nobody has asked to be clear.
          'root=/dev/vda rw rootflags=prjquota console=ttyS0 quiet mitigations=off init_on_alloc=0 audit=0 oops=panic panic=-1',
        ],
        ...['-drive', `file=${join(folder, 'disk')},if=virtio,format=raw,cache=writeback`],
        ...(existsSync(this.#secondDisk)
          ? ['-drive', `file=${this.#secondDisk},if=virtio,format=raw,cache=writeback`]
          : []),
        ...['-netdev', `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${this.#port}-:22`],
        ...['-device', 'virtio-net-pci,netdev=net', '-device', 'virtio-rng-pci'],
        ...['-display', 'none', '-serial', `file:${join(folder, 'console')}`, '-no-reboot'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: environment, detached: true },
    );
    const isUp = async (): Promise<boolean> => {
      if (this.#qemu?.exited === true) throw new Error(this.console());
      return await this.#greets();
    };
    await waitUntil(isUp, 'sshd of the machine', 420_000, () => this.console());
    // Once: the first login of all takes longest, and one that is given up is one more for the machine to do.
    const first = await super.ssh('root', 'true', { timeoutMs: 240_000 });
    if (first.code !== 0) throw new Error(`${describeFinished(first)}${this.console()}`);
    await rm(this.#adminSocket, { force: true });
    const ways = [
      ...['-L', `${this.#adminSocket}:${adminSocket}`],
      ...['-R', `${machinesEnd}:${this.#ctlSocket}`],
    ];
    await runOk(
      'ssh',
      [...this.sshOptions(), ...(await this.#shared('root')), '-O', 'forward', ...ways, 'root@guest'],
      {
        env: environment,
      },
    );
  }

  get #secondDisk(): string {
    return join(this.folder, 'disk2');
  }

  get #adminSocket(): string {
    return join(this.folder, 'admin.sock');
  }

  get #ctlSocket(): string {
    return join(this.folder, 'ctl.sock');
  }

  /** Whether sshd says what it is. qemu takes connections long before anybody in the machine does. */
  async #greets(): Promise<boolean> {
    const socket = connect(this.#port, '127.0.0.1');
    try {
      const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(30_000) })) as [Buffer];
      return data.toString().startsWith('SSH-');
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }

  /**
   * For ssh, to open its session on the user's one connection: keys are exchanged and a user is known once, which is what
   * takes an emulated processor longest of all in a login. Not for what is to end with its connection: sshd tells a
   * program without a terminal nothing of a session that was closed.
   */
  async #shared(user: string): Promise<string[]> {
    const socket = join(this.folder, `ssh-${user}`);
    const connection = this.#connections.get(socket) ?? this.#connect(user, socket);
    this.#connections.set(socket, connection);
    await connection;
    return ['-S', socket];
  }

  async #connect(user: string, socket: string): Promise<Running> {
    const args = [...this.sshOptions(), '-M', '-S', socket, '-N', `${user}@guest`];
    const connection = new Running('ssh', args, { stdio: 'pipe', env: environment });
    await waitUntil(() => connection.exited || existsSync(socket), `${user} to be connected`, 240_000);
    return connection;
  }

  override async ssh(
    user: string,
    command: string,
    options: RunOptions = {},
    ...further: string[]
  ): Promise<Finished> {
    return await super.ssh(user, command, options, ...(await this.#shared(user)), ...further);
  }

  async #disconnect(): Promise<void> {
    for (const [socket, connection] of this.#connections) {
      await (await connection.catch(() => undefined))?.[Symbol.asyncDispose]();
      await rm(socket, { force: true });
    }
    this.#connections.clear();
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
    await this.#disconnect();
    await writeFile(join(this.folder, 'console'), '');
  }

  protected route(): readonly string[] {
    return ['-o', 'HostName=127.0.0.1', '-p', String(this.#port)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    this.#ctl?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
