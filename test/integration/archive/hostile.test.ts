// An archive for "user import" may come from anywhere: whatever is in it, nothing of the host changes but the user's own
// folder, and of a refused one nothing is left.

import { existsSync, lstatSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import { CliFailure } from '../../../src/cli/failure.ts';
import { tarHeader } from '../../../src/images/export/tar-writer.ts';
import { resolved } from '../../../src/lib/values/absolute-path.ts';
import type { AdminResult } from '../../../src/protocol/admin.ts';
import { type ArchiveManifest, manifestBytes } from '../../../src/users/archive/manifest.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { type TarEntry, tar } from '../images/tar-builder.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '0', stop_grace: '100ms', shell: '/bin/sh' } };
const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: '5',
  mode: 0o755,
  ...more,
});
const own = 1000;
/** setcap cap_sys_admin=ep, as on a host's own program. */
const capability = Buffer.from([1, 0, 0, 2, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

interface Told {
  readonly code: number;
  readonly text: string;
  readonly result?: AdminResult<'account.import'>;
}

describe.skipIf(lacks('busybox', 'python3'))('an archive that somebody has made up', () => {
  let verbs: VerbsHost;
  let canary: string;
  let archive: string;

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    canary = join(verbs.host.folder, 'canary');
    archive = join(verbs.host.folder, 'archive');
    await mkdir(join(canary, 'upper'), { recursive: true });
    await writeFile(join(canary, 'file'), 'precious');
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  }, 60_000);
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  });

  const manifest = (more: Partial<ArchiveManifest> = {}): ArchiveManifest => ({
    dockersh: 'user',
    version: 1,
    createdAt: 'now',
    user: { name: verbs.name, uid: 4 },
    ids: { uid: own, gid: own, groups: [] },
    trees: [
      { kind: 'layer', base: { image: 'lab/base:1', digest: `sha256:${'0'.repeat(64)}` } },
      { kind: 'home' },
    ],
    ...more,
  });
  const users = (): string => join(verbs.host.stateFolder, 'users');
  /** As dockershctl asks, without one for each. */
  const importOf = async (bytes: Uint8Array): Promise<Told> => {
    await writeFile(archive, bytes);
    try {
      const socketPath = join(verbs.host.runFolder, 'admin.sock');
      const result = await callAdmin('account.import', { path: resolved(archive) }, { socketPath });
      return { code: 0, text: '', result };
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      return { code: error.exitCode, text: `${error.message} ${error.hint ?? ''} ${error.code}` };
    }
  };
  const withEntries = (...entries: readonly TarEntry[]): Buffer =>
    Buffer.concat([manifestBytes(manifest()), tar(...entries)]);
  const untouched = async (about: string): Promise<void> => {
    expect(await readFile(join(canary, 'file'), 'utf8'), about).toBe('precious');
    expect((await readdir(canary)).sort(), about).toEqual(['file', 'upper']);
    expect(await readdir(join(canary, 'upper')), about).toEqual([]);
    expect((await readdir(verbs.host.stateFolder)).includes('escaped'), about).toBe(false);
  };
  const tops = [folder('layer'), folder('home', { uid: own, gid: own })];

  it.each([
    ['a path with ..', [...tops, { name: 'home/../../../escaped', data: 'x' }]],
    ['a link in the place of the layer', [{ name: 'layer', type: '2', link: 'CANARY' }, folder('home')]],
    ['a link in the place of the home', [folder('layer'), { name: 'home', type: '2', link: 'CANARY' }]],
    [
      'a file through a link out of it',
      [...tops, { name: 'home/out', type: '2', link: 'CANARY' }, { name: 'home/out/file', data: 'x' }],
    ],
    ['a hard link to what it has not', [...tops, { name: 'home/file', type: '1', link: 'CANARY/file' }]],
    ['a file in the place of the home', [folder('layer'), { name: 'home', data: 'x' }]],
    ['a tree more than it says', [...tops, folder('users')]],
    ['a tree less than it says', [folder('layer')]],
    ['a folder that it does not name', [...tops, { name: 'home/a/b', data: 'x' }]],
    ['an owner that no sandbox has', [...tops, { name: 'home/file', uid: 70_000, data: 'x' }]],
    ['an owner of the host', [...tops, { name: 'home/file', uid: 2 ** 31 + 5, data: 'x' }]],
    [
      'a list that names somebody of the host',
      [
        ...tops,
        {
          name: 'home/file',
          data: 'x',
          pax: { 'SCHILY.acl.access': 'user::rw-,user:x:rw-:70000,group::r--,mask::r--,other::---' },
        },
      ],
    ],
    ['more data than there is', [...tops, { name: 'home/file', size: 1e12, data: 'x' }]],
    [
      'a sparse file whose map lies',
      [
        ...tops,
        {
          name: 'home/file',
          data: '1\n0\n9999\n'.padEnd(512, '\0'),
          pax: {
            'GNU.sparse.major': '1',
            'GNU.sparse.minor': '0',
            'GNU.sparse.name': 'home/file',
            'GNU.sparse.realsize': '10',
          },
        },
      ],
    ],
  ] as [string, TarEntry[]][])('is refused for %s', async (about, entries) => {
    const placed = entries.map((entry) =>
      entry.link === undefined ? entry : { ...entry, link: entry.link.replace('CANARY', canary) },
    );
    const result = await importOf(withEntries(...placed));
    expect(result.code, `${about}: ${result.text}`).toBe(65);
    expect(result.text).not.toContain('E_INTERNAL');
    await untouched(about);
    expect(await readdir(users())).toEqual([]);
  });

  it('is refused where what it says of itself is wrong', async () => {
    const raw = (content: unknown): Buffer => {
      const text = Buffer.from(JSON.stringify(content));
      const size = Math.ceil(text.length / 512) * 512;
      const head = tarHeader({ name: 'dockersh-user.json', size });
      return Buffer.concat([head, text, Buffer.alloc(size - text.length, ' '), tar(...tops)]);
    };
    const snapshot = (name: string) => ({
      kind: 'snapshot',
      name,
      info: { createdAt: new Date(0).toISOString(), sizeBytes: 0, files: 0 },
    });
    const huge = tarHeader({ name: 'dockersh-user.json', size: 2 ** 31 });
    for (const bytes of [
      raw({ ...manifest(), version: 2 }),
      raw({ ...manifest(), trees: [snapshot('../../escaped')] }),
      raw({ ...manifest(), trees: [snapshot('.aside-x')] }),
      raw({ ...manifest(), trees: [{ kind: 'home' }, { kind: 'home' }] }),
      raw({ ...manifest(), trees: [{ kind: 'rescue' }] }),
      raw({ ...manifest(), trees: [{ kind: 'layer', base: { image: 'x', digest: '../../escaped' } }] }),
      raw({ ...manifest(), trees: [{ kind: 'layer', base: { image: 'x\n', digest: 'virtual:x' } }] }),
      raw({ ...manifest(), trees: [{ ...snapshot('x'), info: { createdAt: 'x', sizeBytes: 0, files: 0 } }] }),
      raw({ ...manifest(), ids: { uid: -1, gid: 0, groups: [] } }),
      raw({ ...manifest(), ids: { uid: 2 ** 31, gid: 0, groups: [] } }),
      raw({ ...manifest(), more: true }),
      raw([]),
      Buffer.concat([huge, Buffer.alloc(100_000, '[')]),
      tar(...tops),
      zstdCompressSync(Buffer.alloc(1_000_000)),
    ]) {
      const result = await importOf(bytes);
      expect(result.code, result.text).toBe(65);
      expect(result.text).not.toContain('E_INTERNAL');
      await untouched('manifest');
    }
    for (const name of ['root', '0', String(verbs.user.uid), 'nobody of that name\u001b[2J']) {
      const named = manifest({ user: { name, uid: 1 } });
      const { code, text } = await importOf(Buffer.concat([manifestBytes(named), tar(...tops)]));
      expect(code, name).not.toBe(0);
      expect(text).not.toContain('\u001b');
    }
    expect(await readdir(users())).toEqual([]);
  });

  it("has only what a user could have made, of the sandbox's own ids", async () => {
    const set = { mode: 0o6755, data: 'x' };
    const entries: TarEntry[] = [
      ...tops,
      { name: 'layer/setuid', ...set },
      { name: 'layer/of-own', uid: own, gid: own, ...set },
      { name: 'layer/disk', type: '4' },
      { name: 'layer/zero', type: '3' },
      { name: 'layer/capable', data: 'x', pax: { 'SCHILY.xattr.security.capability': capability } },
      {
        name: 'layer/marked',
        data: 'x',
        pax: {
          'SCHILY.xattr.trusted.overlay.redirect': '/etc',
          'SCHILY.xattr.trusted.overlay.metacopy': '',
          'SCHILY.xattr.security.ima': 'x',
          'SCHILY.xattr.user.overlay.opaque': 'y',
          'SCHILY.xattr.user.note': 'kept',
        },
      },
      folder('layer/redirected', { pax: { 'SCHILY.xattr.trusted.overlay.redirect': '/etc' } }),
      {
        name: 'home/sparse',
        uid: own,
        gid: own,
        data: '1\n1099511627776\n0\n'.padEnd(512, '\0'),
        pax: {
          'GNU.sparse.major': '1',
          'GNU.sparse.minor': '0',
          'GNU.sparse.name': 'home/sparse',
          'GNU.sparse.realsize': '1099511627776',
        },
      },
      { name: 'home/link', type: '2', link: join(canary, 'file'), uid: own, gid: own },
    ];
    const result = await importOf(withEntries(...entries));
    expect(result.code, result.text).toBe(0);
    expect(result.result).toMatchObject({ image: 'lab/base:1', imageThere: false });
    await untouched('all of it');
    const mine = join(users(), String(verbs.user.uid));
    const upper = join(mine, 'layer/upper');
    const first = 0x8000_0000;
    expect(lstatSync(join(upper, 'setuid'))).toMatchObject({ uid: expect.any(Number) as number });
    expect(lstatSync(join(upper, 'setuid')).uid).toBeGreaterThanOrEqual(first);
    expect(lstatSync(join(upper, 'setuid')).gid).toBeGreaterThanOrEqual(first);
    expect(lstatSync(join(upper, 'of-own')).uid).toBe(verbs.user.uid);
    expect(lstatSync(join(mine, 'home')).uid).toBe(verbs.user.uid);
    for (const name of ['disk', 'zero']) expect(lstatSync(join(upper, name)).rdev, name).toBe(0);
    const attributes = [
      'import os, struct, sys',
      'layer, root = sys.argv[1], os.stat(sys.argv[1]).st_uid',
      'cap = os.getxattr(layer + "/capable", "security.capability")',
      'print(len(cap), cap[3], struct.unpack("<I", cap[20:])[0] == root)',
      'print(os.listxattr(layer + "/marked"), os.listxattr(layer + "/redirected"))',
    ].join('\n');
    expect(await runOk('python3', ['-c', attributes, upper])).toBe("24 3 True\n['user.note'] []\n");
    expect(existsSync(join(mine, 'home/sparse'))).toBe(true);
    expect(lstatSync(join(mine, 'home/sparse')).blocks).toBeLessThan(100);
    // And it starts, with what the policy names.
    expect(await verbs.inside('cat /marked; ls -l ~/sparse | wc -l; cat ~/link 2>&1; true')).toMatch(
      /^x1\n.*No such file/,
    );
  }, 60_000);
});
