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
import { waitUntil } from '../../fixtures/process.ts';

let folder: string;
const pids: number[] = [];
/** By its name as well: where many processes come and go, another one soon has the number of one that has ended. */
const lives = async (pid: number | undefined): Promise<boolean> =>
  await readFile(`/proc/${pid}/stat`, 'utf8').then(
    (stat) => /^\d+ \(dockersh-relay\) [^ZX] /.test(stat),
    () => false,
  );

/** As one daemon has it; `program` may be another build. */
function daemonsRelay(program = join(buildFolder, 'dockersh-relay')): DnsRelay {
  const log = createLogger({ level: 'silent' });
  return new DnsRelay({ program, socket: join(folder, 'relay.sock'), log, started: (pid) => pids.push(pid) });
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
