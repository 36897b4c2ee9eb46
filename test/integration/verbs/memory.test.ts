// What a file, an image, a registry or a user can make a verb of dockershctl do to the daemon: its memory, and that of
// its helpers, stays below a bound that has nothing to do with their input; and logins go on meanwhile.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { type Peak, peakOf } from '../../fixtures/peak-memory.ts';
import { describeFinished, run } from '../../fixtures/process.ts';
import { tar, tarEntry } from '../images/tar-builder.ts';
import { VerbsHost } from './verbs-host.ts';

const MiB = 1024 * 1024;
/** Of the daemon, all in all: idle it has 110 MiB. */
const mostBytes = 350 * MiB;
const mostHelperBytes = 200 * MiB;

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };

describe.skipIf(lacks('busybox'))('the memory that a verb takes', () => {
  let verbs: VerbsHost;
  const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);
  const path = (name: string): string => join(verbs.host.folder, name);
  const bounded = async (work: () => Promise<void>): Promise<Peak> => {
    const peak = await peakOf(verbs.host.daemonPid, work);
    expect(peak.daemon, 'dockershd').toBeLessThan(mostBytes);
    expect(peak.helper, peak.name).toBeLessThan(mostHelperBytes);
    return peak;
  };

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    await verbs.inside('true');
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  /** Logs in again and again until `work` is done; how many logins succeeded. Any that fails is an error. */
  const loginsDuring = async (work: Promise<unknown>): Promise<number> => {
    const { uid, gid } = verbs.user;
    let over = false;
    let count = 0;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => undefined); // awaited below
    while (!over) {
      const login = await run(verbs.host.client, ['-c', 'true'], { uid, gid });
      expect(login.code, describeFinished(login)).toBe(0);
      if (!over) count += 1;
    }
    await done;
    return count;
  };

  describe('does not grow with the names in an archive', () => {
    const entry = tarEntry({ name: 'x', pax: { path: 'n/'.repeat(500_000) } });
    const members = 500;

    it.each([
      ['plain', (part: Buffer) => part, 1],
      ['compressed', (part: Buffer) => gzipSync(part), 10], // gzip(1): members can follow each other
    ])('%s', async (name, pack, least) => {
      // The first four are called as an image's are.
      const head = tar(...[0, 1, 2, 3].map((index) => ({ name: `blobs/${index}` }))).subarray(0, -1024);
      const [first, middle, last] = [head, entry, Buffer.alloc(1024)].map(pack);
      const file = path(`names-${name}`);
      const parts = [first, ...Array.from({ length: members }, () => middle), last];
      await pipeline(Readable.from(parts), createWriteStream(file));
      await bounded(async () => {
        const work = verbs.plain('image', 'import', 'lab/names:1', file);
        expect(await loginsDuring(work)).toBeGreaterThanOrEqual(least);
        const { code, stderr } = await work;
        expect(code).toBe(65);
        expect(stderr.toString()).toContain('the path is longer than the limit allows');
        expect(stderr.length).toBeLessThan(8192);
      });
    });
  });
});
