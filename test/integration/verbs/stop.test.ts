// A sandbox that is stopped in an orderly way: whoever runs in it hears of it, and has the grace to end.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', background: 'keep', stop_grace: '3s' } };

describe.skipIf(lacks('busybox'))('stop', () => {
  let verbs: VerbsHost;
  const written = async (name: string): Promise<string> =>
    await readFile(
      join(verbs.host.stateFolder, 'users', String(verbs.user.uid), 'layer/upper/srv', name),
      'utf8',
    ).catch(() => '');

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  /** A process that its session has left behind, in a session of its own; a SIGHUP would end it at once. */
  const background = async (name: string, onTerm: string): Promise<void> => {
    const script = `trap '${onTerm}' TERM; echo ready >/srv/${name}; while :; do sleep 0.1; done`;
    await verbs.inside(`busybox setsid sh -c "${script}" </dev/null >/dev/null 2>&1 &`);
    await waitUntil(async () => (await written(name)) === 'ready\n', `${name} to run`);
  };

  const stop = async (): Promise<number> => {
    const start = performance.now();
    expect(await verbs.host.ctlOk('stop', verbs.name)).toMatchObject({ stopped: true });
    return performance.now() - start;
  };

  it('lets what runs in the background write down what it has to', async () => {
    await background('orderly', 'echo term >>/srv/orderly; sleep 1; echo done >>/srv/orderly; exit');
    expect(await stop()).toBeGreaterThan(900);
    expect(await written('orderly')).toBe('ready\nterm\ndone\n');
  });

  it('ends after the grace what does not want to', async () => {
    await background('stubborn', 'echo term >>/srv/stubborn');
    await background('orderly', 'echo term >>/srv/orderly; exit');
    const took = await stop();
    expect(took).toBeGreaterThan(2_900);
    expect(took).toBeLessThan(15_000);
    expect(await written('stubborn')).toBe('ready\nterm\n');
    expect(await written('orderly')).toBe('ready\nterm\n');
  });
});
