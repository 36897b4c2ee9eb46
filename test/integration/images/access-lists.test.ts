// POSIX access lists: in every form that archives have for them, into a layer and out of it again.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { lacks } from '../../fixtures/machine.ts';
import { builtImage, builtLayer, writeLayout } from './image-builder.ts';
import { mountImage } from './mounted.ts';
import { buildLayerProgram, layer, Scratch } from './scratch.ts';
import { type TarEntry, tar } from './tar-builder.ts';

let scratch: Scratch;
let source: string;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  source = scratch.path('source');
  await mkdir(source);
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const run = (cwd: string, command: string, ...args: readonly string[]): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8' });
const setfacl = (list: string, name: string): string => run(source, 'setfacl', '-m', list, name);
const getfacl = (root: string, ...names: readonly string[]): string =>
  run(root, 'getfacl', '-n', '-p', ...names);

async function makeSource(): Promise<void> {
  await mkdir(`${source}/folder`);
  await writeFile(`${source}/folder/before`, 'x');
  setfacl('u:60001:rwx,g:60012:r-x,m::rwx,d:u:60007:rwx,d:o::---', 'folder');
  await writeFile(`${source}/folder/inherits`, 'x');
  await mkdir(`${source}/folder/sub`);
  await writeFile(`${source}/file`, 'x');
  setfacl('u:65535:---,g::---,m::rw-', 'file');
}

const binary = (...entries: readonly (readonly [tag: number, bits: number, id?: number])[]): Buffer => {
  const value = Buffer.alloc(4 + entries.length * 8);
  value.writeUInt32LE(2, 0);
  for (const [index, [tag, bits, id = 0xffff_ffff]] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + index * 8);
    value.writeUInt16LE(bits, 6 + index * 8);
    value.writeUInt32LE(id, 8 + index * 8);
  }
  return value;
};
const list = (id: number): Buffer => binary([1, 6], [2, 4, id], [4, 0], [0x10, 6], [0x20, 0]);
const withList = (value: Buffer): TarEntry => ({
  name: 'file',
  mode: 0o660,
  pax: { 'SCHILY.xattr.system.posix_acl_access': value },
});

describe.skipIf(lacks('setfacl', 'bsdtar'))('an access list', () => {
  it.each([
    // GNU tar writes names where the host has them, and no numbers beside: those are refused below.
    ['GNU tar', 'tar', '--acls', '--format=pax'],
    ['GNU tar as an attribute', 'tar', '--xattrs', '--xattrs-include=*', '--format=pax'],
    ['bsdtar', 'bsdtar', '--format=pax', '--acls'],
  ])('that %s has written is kept', async (_label, program, ...args) => {
    await makeSource();
    const { stdout } = spawnSync(program, [...args, '-C', source, '-cf', '-', '.'], { maxBuffer: 1 << 24 });
    expect(await scratch.unpack(stdout)).toMatchObject({ status: 0, stderr: '' });
    const names = ['folder', 'folder/before', 'folder/inherits', 'folder/sub', 'file'];
    expect(getfacl(scratch.path('out'), ...names)).toBe(getfacl(source, ...names));
    expect(getfacl(source, 'file')).toContain('user:65535:---');
  });

  it('goes into an archive and comes back, and umoci unpacks the same', async () => {
    await makeSource();
    const packed = await layer(['pack', source]);
    expect(await scratch.unpack(packed.stdout)).toMatchObject({ status: 0 });
    expect(listTree(scratch.path('out'))).toEqual(listTree(source));
    expect((await layer(['pack', scratch.path('out')])).stdout.equals(packed.stdout)).toBe(true);
    const image = builtImage([builtLayer(packed.stdout)]);
    const layout = await writeLayout(scratch.path('layout'), image);
    run(source, 'umoci', 'unpack', '--image', `${layout}:test`, scratch.path('bundle'));
    await using store = await scratch.openStore();
    await store.importImage('image', layout);
    await using mounted = await mountImage(scratch, store, 'image');
    expect(listTree(mounted.root).slice(1)).toEqual(listTree(source).slice(1));
    const access = getfacl(source, 'folder', 'file');
    expect(getfacl(scratch.path('bundle/rootfs'), 'folder', 'file')).toBe(access);
  });

  it('has the ids of the inside where a user has set it', async () => {
    await makeSource();
    setfacl('u:200003:r', 'file');
    const maps = [
      '--uid-map',
      '0 0 2,60007 60007 1,60001 60001 1,65535 65535 1,3 200003 1',
      '--gid-map',
      '0 0 65536',
    ];
    const packed = await layer(['pack', ...maps, source]);
    expect(packed.status).toBe(0);
    await scratch.unpack(packed.stdout);
    expect(getfacl(scratch.path('out'), 'file')).toContain('user:3:r--');
    expect((await layer(['pack', source])).stderr).toContain('an id above 65535 in the attribute');
  });

  it('of a folder is not inherited by what the archive has in it', async () => {
    const inherited = { 'SCHILY.acl.default': 'user::rwx,user:7:rwx,group::rwx,mask::rwx,other::rwx' };
    const outcome = await scratch.unpack(
      tar(
        { name: 'd/', type: '5', mode: 0o755, pax: inherited },
        { name: 'd/file', data: 'x', mode: 0o600 },
        { name: 'd/sub/', type: '5', mode: 0o700 },
        { name: 'd/implied/file' },
        { name: 'd/pipe', type: '6', mode: 0o600 },
        { name: 'twice/', type: '5', pax: { ...inherited, 'SCHILY.xattr.user.first': 'x' } },
        { name: 'twice/', type: '5', mode: 0o711 },
      ),
    );
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const lines = listTree(scratch.path('out'));
    expect(lines.filter((line) => line.includes('posix_acl'))).toEqual([
      expect.stringMatching(/^d: 040755 .* system\.posix_acl_default=\w+$/),
    ]);
    expect(lines.find((line) => line.startsWith('twice:'))).not.toContain('user.first');
  });

  const refused: readonly (readonly [string, TarEntry, RegExp, number])[] = [
    [
      'a name alone',
      { name: 'f', pax: { 'SCHILY.acl.access': 'u::rw-,u:lisa:r,g::r,m::r,o::r' } },
      /names somebody without a number/,
      85,
    ],
    ['an id too large', withList(list(70_000)), /an id above 65535 in the attribute/, 84],
    [
      'an id too large as text',
      { name: 'f', pax: { 'SCHILY.acl.access': 'u:lisa:r:70000' } },
      /an id above 65535 in an access list/,
      84,
    ],
    [
      'another version',
      withList(Buffer.concat([Buffer.from([1, 0, 0, 0]), list(7).subarray(4)])),
      /malformed attribute/,
      82,
    ],
    ['half an entry', withList(list(7).subarray(0, 19)), /malformed attribute/, 82],
    ['text that is none', { name: 'f', pax: { 'SCHILY.acl.access': 'hello' } }, /malformed access list/, 82],
  ];
  it.each(refused)('is refused: %s', async (_label, entry, message, status) => {
    const outcome = await scratch.unpack(tar(entry));
    expect(outcome.stderr).toMatch(message);
    expect(outcome.status).toBe(status);
  });

  it('whose entries make no sense is refused by the kernel', async () => {
    const outcome = await scratch.unpack(tar(withList(binary([2, 4, 7], [1, 6]))));
    expect(outcome.stderr).toMatch(/entry 'file' .*set the attribute 'system\.posix_acl_access'/);
  });
});
