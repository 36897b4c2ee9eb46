// commit and snapshot of a sandbox that runs: it stands still while its files are read, and never for longer,
// whatever is killed or stopped meanwhile.

import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as yieldOnce } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cgroupName } from '../../../src/isolation/cgroup/host.ts';
import { cgroupsOf } from '../../fixtures/leaks.ts';
import { lacks } from '../../fixtures/machine.ts';
import { type Finished, Running, run, signalIfThere, waitUntil } from '../../fixtures/process.ts';
import { parentOf } from '../../fixtures/supervisor.ts';
import { VerbsHost } from './verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };
const files = 200;

describe.skipIf(lacks('busybox'))('a running sandbox', () => {
  let verbs: VerbsHost;
  const ctl = (...args: string[]) => verbs.host.ctlOk(...args);
  const userFolder = (): string => join(verbs.host.stateFolder, 'users', String(verbs.user.uid));

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(async () => {
    await ctl('stop', verbs.name);
    await verbs.inside('true');
    await ctl('reset', verbs.name, '--yes', '--no-save');
  });

  /** A session that answers every line. */
  const session = (command: string): Running => {
    const { uid, gid } = verbs.user;
    return new Running(verbs.host.client, ['-c', command], { uid, gid, stdio: 'pipe' });
  };

  const echoes = async (running: Running, text: string): Promise<void> => {
    running.process.stdin?.write(`${text}\n`);
    await running.waitForOutput(text, 15_000);
  };

  /** Writes the same number into many files, one after the other, again and again. */
  const writer = async (): Promise<Running> => {
    const loop = `mkdir /srv/n; n=0; while :; do for f in $(seq -w ${files}); do echo $n >/srv/n/$f; done; n=$((n+1)); [ $n = 3 ] && echo go; done`;
    const running = session(loop);
    await running.waitForOutput('go');
    return running;
  };

  /** Whether files are as they were at one moment: those that the round had come to, and the rest. */
  const isOneMoment = async (folder: string): Promise<boolean> => {
    const names = readdirSync(folder).sort();
    const numbers = await Promise.all(
      names.map(async (name) => (await readFile(join(folder, name), 'utf8')).trim()),
    );
    expect(numbers).toHaveLength(files);
    // One may have been made empty, and not written yet.
    const known = numbers.filter((text) => text !== '').map(Number);
    const first = known[0] ?? 0;
    const steps = known.filter((number, index) => index > 0 && number !== known[index - 1]).length;
    return steps <= 1 && known.every((number) => number === first || number === first - 1);
  };

  it('stands still for a snapshot and for a commit: files are those of one moment', async () => {
    await using running = await writer();
    await using cat = session('cat');
    await echoes(cat, 'before');
    for (let round = 0; round < 4; round += 1) {
      const made = (await ctl('snapshot', verbs.name, `s${round}`)) as { pausedMs: number };
      expect(made.pausedMs).toBeGreaterThan(0);
      expect(await isOneMoment(join(userFolder(), `snapshots/s${round}/upper/srv/n`)), `round ${round}`).toBe(
        true,
      );
      await echoes(cat, `after ${round}`);
    }
    for (let round = 0; round < 4; round += 1) {
      const { layer } = (await ctl('commit', verbs.name, 'lab/made:1')) as { layer: string };
      const tree = join(verbs.host.stateFolder, 'images/layers/sha256', layer.slice(7), 'tree');
      expect(await isOneMoment(join(tree, 'srv/n')), `round ${round}`).toBe(true);
    }
    expect(running.exited).toBe(false);
    const plain = await verbs.plain('snapshot', verbs.name, 'told');
    expect(plain.stdout.toString()).toBe('told\n');
    expect(plain.stderr.toString()).toMatch(
      new RegExp(`the sandbox of ${verbs.name} stood still for [\\d.]+ s\n`),
    );
    await ctl('image', 'rm', 'lab/made:1');
  }, 180_000);

  it('holds pairs that agree, put in place by renames, in a folder that moves about', async () => {
    const loop =
      'mkdir /srv/a; n=0; while :; do for f in one two; do echo $n >/srv/a/.$f; mv /srv/a/.$f /srv/a/$f; done; mv /srv/a /srv/b; mv /srv/b /srv/a; n=$((n+1)); [ $n = 5 ] && echo go; done';
    await using running = session(loop);
    await running.waitForOutput('go', 60_000);
    for (let round = 0; round < 4; round += 1) {
      const { layer } = (await ctl('commit', verbs.name, 'lab/made:1')) as { layer: string };
      const srv = join(verbs.host.stateFolder, 'images/layers/sha256', layer.slice(7), 'tree/srv');
      const folders = readdirSync(srv);
      expect(folders).toHaveLength(1);
      const [one, two] = ['one', 'two'].map((name) =>
        Number(readFileSync(join(srv, folders[0] ?? '', name), 'utf8')),
      );
      expect([two, Number(two) + 1], `round ${round}`).toContain(one);
    }
    await ctl('image', 'rm', 'lab/made:1');
  }, 180_000);

  it('runs on where the administrator wants that', async () => {
    await using running = await writer();
    let isMixed = false;
    // As often as it takes: how much the writer does while the files are read is up to the scheduler.
    for (const end = Date.now() + 40_000; !isMixed && Date.now() < end; ) {
      expect(await ctl('snapshot', verbs.name, 'n', '--no-pause')).toMatchObject({ pausedMs: null });
      isMixed = !(await isOneMoment(join(userFolder(), 'snapshots/n/upper/srv/n')));
      await ctl('snapshot', verbs.name, 'n', '--rm');
    }
    expect(await ctl('commit', verbs.name, 'lab/made:1', '--no-pause')).toMatchObject({ pausedMs: null });
    expect(running.exited).toBe(false);
    // Which shows as well that the test above sees a difference.
    expect(isMixed).toBe(true);
    await ctl('image', 'rm', 'lab/made:1');
  });

  const isFrozen = (): boolean =>
    cgroupsOf(verbs.host.cgroup)
      .filter((folder) => folder.endsWith(`/${cgroupName(verbs.user.uid, verbs.name)}`))
      .some((folder) =>
        ['freezer.state', 'cgroup.freeze'].some((file) => {
          try {
            return /^(FROZEN|FREEZING|1)/.test(readFileSync(join(folder, file), 'utf8'));
          } catch {
            return false; // of the other version
          }
        }),
      );

  /**
   * A snapshot that does not come to its end, because what reads the files is stopped just when the sandbox stands still: a
   * file that changes all the time is left to be copied then.
   */
  const stuckSnapshot = async (): Promise<{ made: Promise<Finished>; reader: number }> => {
    const busy = session('while :; do head -c 50000000 /dev/zero >/srv/big; echo again; done');
    await busy.waitForOutput('again', 60_000);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const snapshot = { isMade: false };
      const made = verbs.host.ctl('snapshot', verbs.name, `stuck${Date.now()}`);
      void made.finally(() => {
        snapshot.isMade = true;
      });
      const reader = await readerAtWork(snapshot);
      if (reader === undefined) continue;
      process.kill(reader, 'SIGSTOP');
      await sleep(300); // it may have read the last one, and the sandbox be about to run on
      if (isFrozen()) return { made, reader };
      signalIfThere(reader, 'SIGCONT'); // it was done just then
      await made;
    }
    throw new Error('nothing reads files while the sandbox stands still');
  };

  /** Undefined where the snapshot was made before it was met with a sandbox that stands still. */
  const readerAtWork = async (snapshot: { readonly isMade: boolean }): Promise<number | undefined> => {
    let reader: number | undefined;
    for (const end = Date.now() + 60_000; !snapshot.isMade && Date.now() < end; await yieldOnce()) {
      reader ??= verbs.host.processes().find(({ command }) => command.includes('dockersh-layer follow'))?.pid;
      if (reader !== undefined && isFrozen()) return reader;
    }
    return undefined;
  };

  const supervisorPid = async (): Promise<number> => {
    const sandbox = await verbs.host.sandboxOf(verbs.user);
    if (sandbox === undefined) throw new Error('there is no sandbox');
    return parentOf(sandbox.initPid);
  };

  it('is left alone by logins and ps until it runs on, and what was typed arrives', async () => {
    await using cat = session('cat');
    await echoes(cat, 'before');
    const { made, reader } = await stuckSnapshot();
    cat.process.stdin?.write('typed meanwhile\n');
    const { uid, gid } = verbs.user;
    const login = run(verbs.host.client, ['-c', 'echo in'], { uid, gid });
    expect(await verbs.host.sandboxOf(verbs.user)).toMatchObject({ state: 'running' });
    await sleep(1_000);
    expect([cat.stdout.toString(), isFrozen()]).toEqual(['before\n', true]);
    process.kill(reader, 'SIGCONT');
    expect((await made).code).toBe(0);
    await cat.waitForOutput('typed meanwhile');
    expect((await login).stdout.toString()).toBe('in\n');
  });

  it('is stopped when it runs on', async () => {
    const { made, reader } = await stuckSnapshot();
    const stop = verbs.host.ctl('stop', verbs.name);
    await sleep(1_000);
    expect(isFrozen()).toBe(true);
    process.kill(reader, 'SIGCONT');
    expect((await made).code).toBe(0);
    expect(JSON.parse((await stop).stdout.toString())).toMatchObject({ stopped: true });
    expect(isFrozen()).toBe(false);
  });

  it('runs on at once when the daemon is killed', async () => {
    await using cat = session('cat');
    await echoes(cat, 'before');
    const { made, reader } = await stuckSnapshot();
    expect(isFrozen()).toBe(true);
    await verbs.host.killDaemon('SIGKILL');
    await echoes(cat, 'no daemon runs');
    expect(isFrozen()).toBe(false);
    expect((await made).code).not.toBe(0);
    await verbs.host.startDaemon();
    await waitUntil(() => !verbs.host.processes().some(({ pid }) => pid === reader), 'the reader to be gone');
    expect(await ctl('snapshot', verbs.name, '--ls')).toMatchObject({
      snapshots: expect.not.arrayContaining([{ name: expect.stringMatching(/^stuck/) }]) as unknown,
    });
    await echoes(cat, 'afterwards');
  });

  it.each(['supervisor', 'supervisor and daemon'])('goes when the %s is killed', async (victims) => {
    await using cat = session('cat');
    await echoes(cat, 'before');
    const supervisor = await supervisorPid();
    const { made, reader } = await stuckSnapshot();
    process.kill(supervisor, 'SIGKILL');
    if (victims !== 'supervisor') {
      await verbs.host.killDaemon('SIGKILL');
      await verbs.host.startDaemon();
    }
    expect((await cat.finished()).code).toBe(125);
    expect((await made).code).not.toBe(0);
    await waitUntil(() => !verbs.host.processes().some(({ pid }) => pid === reader), 'the reader to be gone');
    expect(await verbs.inside('echo fresh')).toBe('fresh\n');
    expect(isFrozen()).toBe(false);
  });

  it('runs on when the time is over, also where the daemon stands still', async () => {
    await using cat = session('cat');
    await echoes(cat, 'before');
    const { made } = await stuckSnapshot();
    const operations = async (): Promise<string> => JSON.stringify(await verbs.host.ctlOk('operations'));
    await waitUntil(async () => (await operations()).includes('stands still'), 'the daemon to hear of it');
    process.kill(verbs.host.daemonPid, 'SIGSTOP');
    try {
      expect(isFrozen()).toBe(true);
      await waitUntil(() => !isFrozen(), 'the sandbox to run on', 25_000);
      await echoes(cat, 'the daemon still stands');
    } finally {
      process.kill(verbs.host.daemonPid, 'SIGCONT');
    }
    const { code, stderr } = await made;
    expect(code).toBe(75);
    expect(stderr.toString()).toContain('could not all be read in the 20 s');
    expect(await verbs.inside('echo served')).toBe('served\n');
  }, 90_000);
});
