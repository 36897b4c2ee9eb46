// The daemon's part of the DNS relay: it is started when it is wanted, replaced where it has gone or is of another build,
// and outlives the daemon, whose next one finds it.

import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DnsRelay } from '../../../src/isolation/network/relay.ts';
import { loadAddon } from '../../../src/isolation/socket/seqpacket.ts';
import { createLogger } from '../../../src/lib/log.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import { Running, waitUntil } from '../../fixtures/process.ts';

let folder: string;
const pids: number[] = [];
/** By its name as well: where many processes come and go, another one soon has the number of one that has ended. */
const lives = async (pid: number | undefined): Promise<boolean> =>
  await readFile(`/proc/${pid}/stat`, 'utf8').then(
    (stat) => /^\d+ \(dockersh-relay\) [^ZX] /.test(stat),
    () => false,
  );

/** As one daemon has it; `program` may be another build. */
function daemonsRelay(
  program = join(buildFolder, 'dockersh-relay'),
  socket = join(folder, 'relay.sock'),
): DnsRelay {
  const log = createLogger({ level: 'silent' });
  return new DnsRelay({ program, socket, log, started: (pid) => pids.push(pid) });
}

const newest = (): number | undefined => pids.at(-1);

beforeAll(async () => {
  loadAddon(join(buildFolder, 'addon.node'));
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-relay-'));
});

afterAll(async () => {
  // Nobody is connected any more.
  for (const pid of pids) await waitUntil(async () => !(await lives(pid)), 'the relays to end');
  await rm(folder, { recursive: true, force: true });
});

async function answers(build = join(buildFolder, 'dockersh-relay')): Promise<void> {
  await waitUntil(async () => {
    if (!(await lives(newest()))) return false;
    const lock = await readFile('/proc/locks', 'utf8');
    return new RegExp(`FLOCK +ADVISORY +WRITE ${newest()} `).test(lock);
  }, `the relay of ${build}`);
}

it('is started when it is wanted, and once', async () => {
  using relay = daemonsRelay();
  expect(pids).toEqual([]);
  relay.want();
  relay.want();
  await answers();
  expect(pids).toHaveLength(1);
});

it('is found by the next daemon', async () => {
  using relay = daemonsRelay();
  relay.want();
  await new Promise((resolve) => setTimeout(resolve, 200)); // nothing happens
  expect(pids).toHaveLength(1);
  expect(await lives(newest())).toBe(true);
});

it('is started again where it was killed, however often', async () => {
  using relay = daemonsRelay();
  relay.want();
  // One that is just ending may take a connection and not what is said on it: no such connection may be left, or the
  // relay would never be alone in the end.
  for (let turn = 0; turn < 40; turn += 1) {
    const before = newest();
    process.kill(before ?? 0, 'SIGKILL');
    await waitUntil(() => newest() !== before, 'another relay');
    await answers();
  }
});

it('costs the daemon little where somebody answers in its place who hangs up at once', async () => {
  const elsewhere = await mkdtemp(join(folder, 'taken-'));
  const path = join(elsewhere, 'relay.sock');
  const hangUp = `import fcntl, select, socket, sys, time
lock = open(sys.argv[1] + ".lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX)
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); server.bind(sys.argv[1]); server.listen(64)
print("ready", flush=True); count = 0; end = None
while True:
    if end is not None and time.time() > end: print("times", count, flush=True)
    if not select.select([server], [], [], 0.1)[0]: continue
    server.accept()[0].close(); count += 1; end = end or time.time() + 2`;
  await using taken = new Running('python3', ['-c', hangUp, path], { stdio: 'pipe' });
  await taken.waitForOutput('ready');
  using relay = daemonsRelay(undefined, path);
  relay.want();
  await taken.waitForOutput(/times \d+\n/);
  const times = Number(/times (\d+)/.exec(taken.stdout.toString())?.[1]);
  expect(times).toBeGreaterThan(10);
  expect(times).toBeLessThan(40);
});

it('is replaced by the build that the daemon has', async () => {
  const other = join(folder, 'dockersh-relay');
  await copyFile(join(buildFolder, 'dockersh-relay'), other);
  const before = newest();
  using relay = daemonsRelay(other);
  relay.want();
  await waitUntil(() => newest() !== before, 'the other build');
  await answers(other);
  expect(await lives(before)).toBe(false);
});
