// A daemon that dies while dockershctl waits for it, and what the next one says of a sandbox that it has not started.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const minute = 60_000;

describe.skipIf(lacks('busybox'))('a daemon that is killed', () => {
  let verbs: VerbsHost;
  const leftMs = async (): Promise<number> => {
    const sandbox = await verbs.host.sandboxOf({ name: verbs.name });
    const { lingerUntil } = sandbox as unknown as { lingerUntil: string | null };
    return Date.parse(lingerUntil ?? '') - Date.now();
  };

  beforeAll(async () => {
    const defaults = { image: 'lab/base:1', linger: '10m', stop_grace: '5s' };
    verbs = await VerbsHost.start({ policy: { defaults } });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('changes nothing about when a sandbox stops', async () => {
    await verbs.inside('true');
    const before = await leftMs();
    expect(before).toBeGreaterThan(9 * minute);
    expect(before).toBeLessThanOrEqual(10 * minute);
    await verbs.host.killDaemon();
    await verbs.host.startDaemon();
    const after = await leftMs();
    expect(after).toBeLessThan(before);
    expect(after).toBeGreaterThan(before - minute);
    expect((await verbs.plain('ps')).stdout.toString()).toMatch(/ 9m\d+s\n/);
  });

  it('is gone, and of no other version, for whoever has asked it', async () => {
    await verbs.inside(
      `busybox setsid sh -c "trap '' TERM; echo on >/srv/on; sleep 1000" </dev/null >/dev/null 2>&1 &`,
    );
    const stop = verbs.plain('stop', verbs.name);
    await waitUntil(
      async () => (await verbs.host.sandboxOf({ name: verbs.name }))?.state === 'stopping',
      'the sandbox to be stopping',
    );
    await verbs.host.killDaemon();
    const { code, stderr } = await stop;
    await verbs.host.startDaemon();
    expect(code).toBe(69);
    expect(stderr.toString()).toMatch(
      /dockershd has gone before it answered.*\n.*journalctl.* \[E_DAEMON_DOWN\]/,
    );
    expect(stderr.toString()).not.toMatch(/version/);
  });
});
