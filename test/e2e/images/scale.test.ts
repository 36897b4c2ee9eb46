// Growth with images: layers up to the limit, and disk space with the number of users.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';
import {
  builtImage,
  builtLayer,
  dockerArchive,
  writeLayout,
} from '../../integration/images/image-builder.ts';
import { tar } from '../../integration/images/tar-builder.ts';

const mostLayers = 256;
const users = 20;
const imageMebibytes = 110;
const world = useWorld({ modes: ['shell'] });

function archiveOf(_: unknown, index: number): Buffer {
  const number = `${index + 2}`;
  return tar({ name: `layer${number}`, data: number }, { name: 'top', data: number });
}

/** A layout whose lowest layer has a shell; every other one a file of its own, and one they all replace. */
async function layoutOf(folder: string, layers: number): Promise<string> {
  const rootfs = await makeRootfs(`${folder}-rootfs`);
  const { stdout } = await run('tar', ['-C', rootfs, '-cf', '-', '.']);
  const upper = Array.from({ length: layers - 1 }, archiveOf);
  const image = builtImage([stdout, ...upper].map((archive) => builtLayer(archive)));
  return await writeLayout(folder, image);
}

describe.skipIf(control || lacks('busybox'))('an image', () => {
  it(`of ${mostLayers} layers is a sandbox like any other; of more it is refused by its number`, async () => {
    const { host } = world();
    const login = world().login('shell');
    const most = await layoutOf(join(host.folder, 'most'), mostLayers);
    await host.ctlOk('image', 'import', 'most', most);
    await host.setPolicy({ defaults: { image: 'most' } });
    const result = await login.ssh('cat /top; echo; ls / | grep -c "^layer"');
    expect(result.stdout.toString(), describeFinished(result)).toBe(`${mostLayers}\n${mostLayers - 1}\n`);
    // One more on top by a commit, and whole images of more.
    const commit = await host.ctl('commit', login.user.name, 'too-many');
    expect(commit.stderr.toString()).toContain(`would have ${mostLayers + 1} layers, the limit is 256`);
    const more = await layoutOf(join(host.folder, 'more'), mostLayers + 1);
    const refused = await host.ctl('image', 'import', 'more', more);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr.toString()).toContain(`it has ${mostLayers + 1} layers, the limit is 256`);
    const saved = join(host.folder, 'more.tar');
    await writeFile(saved, dockerArchive(Array.from({ length: 600 }, archiveOf), ['more:1']));
    const alsoRefused = await host.ctl('image', 'import', 'more', saved);
    expect(alsoRefused.stderr.toString()).toContain('it has 600 layers, the limit is 256');
  }, 180_000);

  it(`of more than 100 MiB costs each of ${users} users kilobytes`, async () => {
    const { host } = world();
    const rootfs = await makeRootfs(join(host.folder, 'large'));
    await mkdir(join(rootfs, 'srv'));
    const mebibyte = Buffer.alloc(1024 * 1024, 'content ');
    for (let file = 0; file < imageMebibytes; file += 1) {
      await writeFile(join(rootfs, 'srv', `file${file}`), mebibyte);
    }
    await host.ctlOk('image', 'import', 'large', rootfs);
    await rm(rootfs, { recursive: true });
    await host.setPolicy({ defaults: { image: 'large' } });
    const before = await allocatedKiB(host.stateFolder);
    expect(before).toBeGreaterThan(imageMebibytes * 1024);
    for (let user = 0; user < users; user += 1) {
      const login = await world().addLogin('shell');
      const result = await login.ssh('echo mine > ~/mine; cat /srv/file7 | wc -c');
      expect(result.stdout.toString(), describeFinished(result)).toBe(`${mebibyte.length}\n`);
    }
    const each = ((await allocatedKiB(host.stateFolder)) - before) / users;
    expect(each).toBeLessThan(128);
    expect(each).toBeGreaterThan(4);
  }, 180_000);
});

/** What the folder takes on the disk, delayed allocation included. */
async function allocatedKiB(folder: string): Promise<number> {
  await runOk('sync', [], { timeoutMs: 60_000 });
  // Status 1: a file has gone meanwhile, such as the half-written copy of a policy.
  const result = await run('du', ['-sk', folder]);
  const total = Number(result.stdout.toString().split('\t')[0]);
  expect(total, describeFinished(result)).toBeGreaterThan(0);
  return total;
}
