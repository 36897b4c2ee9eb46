// Exhausts what the kernel counts for each user id, and what there is one table of for the whole machine: who takes all
// of it takes it from nobody else.

import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasErrno } from '../../../src/lib/errors.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { checkout } from '../../fixtures/paths.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'], firstNamespace: true });

let program = '';
let sysctls = '';
let attacker: Login;
let neighbour: Login;
beforeAll(async () => {
  if (control) return;
  program = join(world().host.folder, 'hog');
  await runOk('gcc', ['-O1', '-static', '-o', program, join(checkout, 'test/fixtures/kernel/hog.c')]);
  sysctls = join(world().host.folder, 'sysctls');
  await runOk('gcc', ['-O1', '-static', '-o', sysctls, join(checkout, 'test/fixtures/kernel/sysctls.c')]);
  attacker = await world().addLogin('shell');
  neighbour = world().login('shell');
  for (const login of [attacker, neighbour]) await bring(login, 'hog', program);
  await bring(attacker, 'sysctls', sysctls);
});

async function bring(login: Login, name: string, file: string): Promise<void> {
  const brought = await login.ssh(`cat >${name} && chmod 755 ${name}`, { input: await readFile(file) });
  expect(brought.code, describeFinished(brought)).toBe(0);
}

const count = (output: Buffer): number => Number(/^took (\d+)/.exec(output.toString())?.[1] ?? Number.NaN);

/** How many of a kind root of the host, and the neighbour, can have just now, up to one. */
async function others(kind: string): Promise<{ root: number; neighbour: number }> {
  const inside = await neighbour.ssh(`./hog ${kind} 1 </dev/null`);
  const outside = await run(program, [kind, '1']);
  return { root: count(outside.stdout), neighbour: count(inside.stdout) };
}

/** The attacker's next sandbox is what this policy makes of it. */
async function stopped(policy: Record<string, string | number>): Promise<void> {
  await world().host.ctlOk('stop', attacker.user.name);
  const users = { [attacker.user.name]: { ...policy, stop_grace: '0' } };
  await world().host.setPolicy({ defaults: { image: 'host' }, users });
}

const kinds: Record<string, Record<string, string>> = {
  'a plain user': {},
  'one who may be root': { root: 'yes' },
  'one who may nest': { nesting: 'yes' },
};

describe.skipIf(control)('what the kernel counts for each user id', () => {
  describe.each(Object.entries(kinds))('taken by %s', (_name, policy) => {
    beforeAll(async () => {
      await stopped({ ...policy, pids: 100 });
    });
    const ways = policy['nesting'] === undefined ? [''] : ['', 'unshare -Ur ', 'unshare -Urm unshare -Ur '];

    it.each(
      ['inotify', 'fanotify', 'signals', 'timers', 'queues', 'locked'].flatMap((kind) =>
        ways.map((way) => [kind, way] as const),
      ),
    )('leaves others theirs: %s, by “%s”', async (kind, way) => {
      await using hog = attacker.start(`${way}./hog ${kind}`);
      await hog.waitForOutput('holding');
      expect(count(hog.stdout), hog.stdout.toString()).toBeGreaterThan(1);
      expect(count(hog.stdout), hog.stdout.toString()).toBeLessThan(1_000_000);
      expect(await others(kind)).toEqual({ root: 1, neighbour: 1 });
      hog.process.stdin?.end(); // what it holds may be what the next one takes
      expect((await hog.finished()).code).toBe(0);
    });
  });

  it('is bounded inside as well, namespaces first of all', async () => {
    const bounds = async (policy: Record<string, string>): Promise<string> => {
      await stopped(policy);
      return (await attacker.ssh('cd /proc/sys/user && grep -H . *')).stdout.toString();
    };
    const plain = await bounds({});
    expect(plain.match(/^max_\w+_namespaces:0$/gm)).toHaveLength(8);
    const nesting = await bounds({ nesting: 'yes' });
    expect(nesting.match(/^max_\w+_namespaces:(128|256)$/gm)).toHaveLength(8);
    for (const text of [plain, nesting]) {
      for (const line of text.trim().split('\n')) expect(Number(line.split(':')[1])).toBeLessThan(2 ** 21);
    }
  });
});

describe.skipIf(control)('what there is one of for the machine', () => {
  it('terminals: who takes all that there are leaves every other sandbox some, and root of the host', async () => {
    await stopped({ nesting: 'yes' });
    await using own = attacker.start('./hog terminals');
    await own.waitForOutput('holding');
    expect(own.stdout.toString()).toMatch(/^took 128: /);
    const mount = 'mount -t devpts -o newinstance,ptmxmode=0666,max=100000 none /mnt';
    await using hog = attacker.start(`unshare -Urm sh -c '${mount} && PTMX=/mnt/ptmx exec ./hog terminals'`);
    await hog.waitForOutput('holding');
    expect(count(hog.stdout)).toBeGreaterThan(1000);
    expect(await others('terminals')).toEqual({ root: 1, neighbour: 1 });
    const terminal = await neighbour.ssh('tty', { options: ['-tt'] });
    expect(terminal.stdout.toString(), describeFinished(terminal)).toBe('/dev/pts/0\r\n');
    for (const one of [own, hog]) {
      one.process.stdin?.end();
      expect((await one.finished()).code).toBe(0);
    }
  });

  it('nobody inside makes that bound another one', async () => {
    await stopped({ root: 'yes', nesting: 'yes' });
    const remount = 'mount -o remount,max=1000 /dev/pts';
    for (const way of ['', 'unshare -Urm ', 'unshare -Urmipf '])
      expect((await attacker.ssh(`${way}${remount}`)).code).not.toBe(0);
    expect((await attacker.ssh('./hog terminals </dev/null')).stdout.toString()).toMatch(/^took 128: /);
  });

  it.skipIf(unlimited)('sockets queue no more than the sandbox may have of memory', async () => {
    await stopped({ memory: '64M' });
    await using hog = attacker.start('./hog datagrams 300');
    await hog.waitForOutput('holding');
    const queued = Number(/queued (\d+)/.exec(hog.stdout.toString())?.[1]);
    expect(queued).toBeGreaterThan(1e6);
    expect(queued).toBeLessThan(64 * 1024 ** 2);
    expect((await neighbour.ssh('exit 3')).code).toBe(3);
  });
});

const moving =
  /^(fs\/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\/)|kernel\/(ns_last_pid|pty\/nr|random\/)|net\/netfilter\/nf_conntrack_count|net\/ipv[46]\/(conf|neigh)\/)/;

/** Of the host, all that can be read and does not move by itself. */
function hostsSettings(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync('/proc/sys', { recursive: true, encoding: 'utf8' })) {
    if (moving.test(name)) continue;
    try {
      found.set(name, readFileSync(join('/proc/sys', name), 'utf8'));
    } catch (error) {
      // A folder, one that is only to be written to, or an interface's whose namespace has ended.
      if (!hasErrno(error, 'EISDIR', 'EACCES', 'EPERM', 'EIO', 'EINVAL', 'ENOENT')) throw error;
    }
  }
  return found;
}

describe.skipIf(control)('settings of the host', () => {
  // The kernel's own fault: one for the machine, and nobody can take back what it was changed to. "doctor" names it.
  const known = '/proc/sys/net/netfilter/nf_hooks_lwtunnel';

  it.each([
    [{}, ''],
    [{ root: 'yes' }, ''],
    [{ nesting: 'yes' }, ''],
    [{ nesting: 'yes' }, 'unshare -Urn '],
    [{ nesting: 'yes' }, 'unshare -UrmCinpTf --mount-proc '],
    [{ nesting: 'yes', network: 'host' }, 'unshare -UrmCinpTf --mount-proc '],
    [{ nesting: 'yes', network: 'host' }, 'unshare -UrmCipTf --mount-proc '],
  ] as const)('stay as they are whoever writes to them: with %j, by “%s”', async (policy, way) => {
    await stopped({ ...policy });
    const before = hostsSettings();
    const result = await attacker.ssh(`${way}./sysctls ${known}`, { timeoutMs: 60_000 });
    expect(result.code, describeFinished(result)).toBe(0);
    const after = hostsSettings();
    expect([...before].filter(([name, value]) => after.get(name) !== value)).toEqual([]);
    expect(before.size).toBeGreaterThan(300);
    const wrote = result.stdout
      .toString()
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    if (way === '') expect(wrote).toEqual([]);
    else expect(wrote.length).toBeGreaterThan(10);
  });
});
