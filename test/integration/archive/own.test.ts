// Carries what a user has chosen, and what they are still to be told, from one state to another.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { type Finished, run, waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

const defaults = {
  image: 'lab/base:1',
  images_allowed: 'lab/*',
  linger: '1h',
  stop_grace: '100ms',
  background: 'keep',
  shell: '/bin/sh',
};

describe.skipIf(lacks('busybox'))("a user's choices and notices", () => {
  let verbs: VerbsHost;
  let archive: string;
  const asked = async (...words: string[]): Promise<Finished> => {
    const { uid, gid } = verbs.user;
    return await run(verbs.host.client, ['-c', words.join(' ')], { uid, gid });
  };
  const kept = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(verbs.host.stateFolder, 'users', String(verbs.user.uid), name), 'utf8'));

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults } });
    const root = await verbs.rootfs('base');
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', root);
    await writeFile(join(root, 'srv/other'), 'other');
    await verbs.host.ctlOk('image', 'import', 'lab/other:1', root);
    archive = join(verbs.host.folder, 'user.tar.zst');
  }, 60_000);
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('are in the archive, and count where it is imported', async () => {
    expect((await asked('@image use lab/other:1')).code).toBe(0);
    expect(
      (await asked('busybox setsid busybox sleep 1000 >/dev/null 2>&1 </dev/null & echo begun')).code,
    ).toBe(0);
    await verbs.host.ctlOk('stop', verbs.name, '--message', 'moving house');
    const isWritten = async () => JSON.stringify(await kept('notices.json')).includes('moving house');
    await waitUntil(isWritten, 'the notice in its file');
    const [choices, notices] = [await kept('choices.json'), await kept('notices.json')];
    expect(notices).toMatchObject({
      ended: [{ said: expect.stringContaining('moving house'), isTold: false }],
    });
    await verbs.host.ctlOk('user', 'export', verbs.name, archive);
    await verbs.host.ctlOk('user', 'forget', verbs.name, '--force', '--yes');
    await verbs.host.ctlOk('user', 'import', archive);
    expect(await kept('choices.json')).toEqual(choices);
    expect(await kept('notices.json')).toEqual({ ...(notices as object), running: null });
    expect((await asked('@status')).stdout.toString()).toContain('moving house');
    expect(JSON.stringify(await verbs.host.ctlOk('policy', 'explain', verbs.name))).toContain('lab/other:1');
    expect((await asked('cat /srv/other')).stdout.toString()).toBe('other');
  });

  it('are no more than wishes: the policy that is there decides', async () => {
    await verbs.host.setPolicy({ defaults: { ...defaults, images_allowed: 'none' } });
    await verbs.host.ctlOk('stop', verbs.name);
    expect((await asked('cat /srv/other')).code).not.toBe(0);
  });
});
