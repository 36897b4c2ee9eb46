// Numbers in /proc inside: the sandbox's own where lxcfs runs, the host's where it does not, never an error because lxcfs has gone.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacks, program, unlimited } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '100ms', memory: '64M', swap: '0' };
const files = 'meminfo cpuinfo swaps diskstats loadavg uptime stat'.split(' ').map((name) => `/proc/${name}`);
const readAll = `cat ${files.join(' ')} /sys/devices/system/cpu/online >/dev/null`;
const limitKb = `${64 * 1024} kB`;

/** An lxcfs of the test's own. */
class Lxcfs implements AsyncDisposable {
  readonly folder: string;
  readonly #child: ChildProcess;

  constructor(folder: string) {
    this.folder = folder;
    this.#child = spawn(program('lxcfs'), ['-p', `${folder}.pid`, folder], { stdio: 'ignore' });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isMounted(): boolean {
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.folder} `);
  }

  async ready(): Promise<void> {
    await waitUntil(() => this.isMounted && existsSync(`${this.folder}.pid`), 'lxcfs');
  }

  /** As a crash does: its mount stays, and every use of it fails. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  stop(): void {
    this.#child.kill('SIGSTOP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    spawnSync(program('umount'), ['--lazy', this.folder]);
    await rm(`${this.folder}.pid`, { force: true });
  }
}

describe.skipIf(lacks('busybox', 'lxcfs') || unlimited || !existsSync('/dev/fuse'))('/proc inside', () => {
  let verbs: VerbsHost;
  let lxcfs: Lxcfs;
  /** Empty where it could not be read: lxcfs has gone just then. */
  const total = async (): Promise<string> =>
    (await verbs.exec('/bin/sh', '-c', "sed -n 's/^MemTotal: *//p' /proc/meminfo")).stdout.toString();
  const isTheHosts = async (): Promise<boolean> => !['', limitKb].includes((await total()).trim());
  const stop = async (): Promise<unknown> => await verbs.host.ctlOk('stop', verbs.name);
  const hasOwn = async (): Promise<boolean> => {
    if ((await total()).trim() === limitKb) return true;
    await stop();
    return false;
  };

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults } });
    await mkdir(verbs.host.lxcfsFolder);
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  beforeEach(async () => {
    lxcfs = new Lxcfs(verbs.host.lxcfsFolder);
    await lxcfs.ready();
    await waitUntil(hasOwn, 'a sandbox with its own numbers');
  });
  afterEach(async () => {
    await verbs.host.ctl('stop', verbs.name);
    await lxcfs[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('has the limit of the sandbox, and a time since its start', async () => {
    expect(Number.parseFloat(await verbs.inside('cat /proc/uptime'))).toBeLessThan(30);
    const [boot, now] = (await verbs.inside("sed -n 's/^btime //p' /proc/stat; date +%s")).split('\n');
    expect(Number(now) - Number(boot)).toBeLessThan(30);
    expect(await verbs.inside('busybox free -k')).toMatch(/^Mem: +65536 +\d{1,5} +\d{1,5} /m);
    await verbs.inside(readAll);
    // None of them can be written to, or be taken off.
    expect((await verbs.exec('/bin/sh', '-c', 'echo 1 >/proc/meminfo')).code).not.toBe(0);
    expect((await verbs.exec('busybox', 'umount', '/proc/meminfo')).code).not.toBe(0);
  });

  it('is the host’s when lxcfs has been killed, in sandboxes that run as well', async () => {
    // What is under way just then may fail.
    const reading = verbs.exec(
      '/bin/sh',
      '-c',
      `for i in $(busybox seq 300); do ${readAll} || exit 1; busybox usleep 10000; done`,
    );
    await lxcfs.kill();
    await waitUntil(isTheHosts, 'the host’s numbers');
    await verbs.inside(readAll);
    expect(await verbs.inside('grep -c lxcfs /proc/self/mountinfo || true')).toBe('0\n');
    await reading;
    await stop();
    await verbs.inside(readAll);
  });

  it('is the sandbox’s again in new sandboxes when another lxcfs runs', async () => {
    await lxcfs[Symbol.asyncDispose]();
    await waitUntil(isTheHosts, 'the host’s numbers');
    lxcfs = new Lxcfs(verbs.host.lxcfsFolder);
    await lxcfs.ready();
    await waitUntil(hasOwn, 'its own numbers');
  });

  it('is the host’s when lxcfs does not answer, and nothing of ours waits for that', async () => {
    lxcfs.stop();
    const stuck = verbs.exec('cat', '/proc/meminfo'); // a user's program, which waits for it
    // Asks lxcfs nothing.
    const mounts = async (): Promise<string> =>
      await verbs.inside('grep -c lxcfs /proc/self/mountinfo || true');
    await waitUntil(async () => (await mounts()) === '0\n', 'the host’s numbers');
    expect(await isTheHosts()).toBe(true);
    await verbs.inside(readAll);
    await stop();
    await stuck;
    await verbs.inside(readAll);
  });

  it('is the host’s with lxcfs = no, and with nesting', async () => {
    await verbs.host.setPolicy({ defaults: { ...defaults, lxcfs: 'no' } });
    await stop();
    expect(await isTheHosts()).toBe(true);
    await verbs.host.setPolicy({ defaults: { ...defaults, nesting: 'yes' } });
    await stop();
    expect(await isTheHosts()).toBe(true);
    await verbs.host.setPolicy({ defaults });
    await stop();
  });

  it('keeps what it shows when the daemon is another, and loses it when lxcfs ended meanwhile', async () => {
    await verbs.host.killDaemon();
    await verbs.host.startDaemon();
    expect((await total()).trim()).toBe(limitKb);
    await verbs.host.killDaemon();
    await lxcfs.kill();
    await verbs.host.startDaemon();
    await waitUntil(async () => (await verbs.exec('cat', ...files)).code === 0, 'the host’s numbers');
    expect(await isTheHosts()).toBe(true);
  });
});
