// Kills the daemon while a word of self-service is under way: whatever it has done has a line in the audit trail.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../fixtures/machine.ts';
import { Running, run } from '../fixtures/process.ts';
import { VerbsHost } from './verbs/verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '100ms', shell: '/bin/sh' };
const moments = [0, 10, 20, 30, 40, 60, 80, 120];

describe.skipIf(lacks('busybox'))('a word of self-service', () => {
  let verbs: VerbsHost;

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults } });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    await verbs.inside('for i in $(busybox seq 300); do echo $i >/srv/$i; done');
  }, 60_000);
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('is in the trail before it does anything, whenever the daemon is killed', async () => {
    const { host, user } = verbs;
    for (const ms of moments) {
      const ids = { uid: user.uid, gid: user.gid };
      const asked = run(host.client, ['-c', `@snapshot at-${ms}`], ids);
      await sleep(ms);
      await host.killDaemon('SIGKILL');
      await host.startDaemon();
      await asked;
    }
    const lines = (await readdir(host.auditFolder)).filter((name) => name.includes('jsonl'));
    const texts = await Promise.all(lines.map((name) => readFile(join(host.auditFolder, name), 'utf8')));
    const begun = texts.flatMap((text) =>
      text.split('\n').filter((line) => line.includes('"self-service-begun"')),
    );
    const { snapshots } = (await host.ctlOk('snapshot', user.name, '--ls')) as {
      snapshots: { name: string }[];
    };
    const made = snapshots.map(({ name }) => name).filter((name) => name.startsWith('at-'));
    expect(made.length).toBeGreaterThan(0);
    for (const name of made) expect(begun.join('\n')).toContain(`@snapshot ${name}"`);
    // Nobody asks again for what may have been done.
    expect(new Set(begun.map((line) => /@snapshot at-\d+"/.exec(line)?.[0])).size).toBe(begun.length);
    await host.ctlOk('audit', 'verify');
  });

  it('goes on when its client is interrupted, which says so', async () => {
    const { host, user } = verbs;
    let said = '';
    for (let attempt = 0; attempt < 40 && !said.includes('goes on without you'); attempt += 1) {
      await using client = new Running(host.client, ['-c', `@snapshot ctrl-${attempt}`], {
        uid: user.uid,
        gid: user.gid,
      });
      await sleep(2 * attempt);
      client.kill('SIGINT');
      said = (await client.finished()).stderr.toString();
    }
    expect(said).toContain('goes on without you');
  });
});
