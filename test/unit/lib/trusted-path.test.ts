// Tests of the check that only root can change what a path leads to.

import { execFile } from 'node:child_process';
import { chmod, lchown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DockershError } from '../../../src/lib/errors.ts';
import { checkTrustedPath, readTrustedFile, requireTrustedPath } from '../../../src/lib/trusted-path.ts';

// Without root these files are the tester's own, who then counts as trusted.
const uid = process.getuid?.() ?? 0;
const options = { trustedUids: [0, uid] };
let folder = '';
let file = '';

beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  await mkdir(path.join(folder, 'etc'), { mode: 0o755 });
  file = path.join(folder, 'etc/policy.ini');
  await writeFile(file, 'text\n', { mode: 0o644 });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('accepted', () => {
  test('a file of root, also in a folder under the sticky /tmp', async () => {
    expect(await checkTrustedPath(file, options)).toEqual({ ok: true, realPath: file });
    expect(await readTrustedFile(file, 100, options)).toEqual({ ok: true, text: 'text\n' });
  });

  test('relative and absolute links, "..", and repeated slashes', async () => {
    await symlink('etc/../etc', path.join(folder, 'relative'));
    await symlink(path.join(folder, 'relative'), path.join(folder, 'absolute'));
    const trust = await checkTrustedPath(`${folder}//absolute/./policy.ini`, options);
    expect(trust).toEqual({ ok: true, realPath: file });
  });
});

describe('refused by name', () => {
  test.each([
    [0o664, 'its group'],
    [0o646, 'everybody'],
    [0o666, 'everybody'],
  ])('a file of mode %o', async (mode, who) => {
    await chmod(file, mode);
    const trust = await checkTrustedPath(file, options);
    expect(trust).toMatchObject({ ok: false, path: file, code: 'E_UNTRUSTED_PATH' });
    expect(trust.ok ? '' : trust.reason).toContain(who);
  });

  test('a folder on the way that others can write to', async () => {
    await chmod(path.join(folder, 'etc'), 0o775);
    expect(await checkTrustedPath(file, options)).toMatchObject({
      ok: false,
      path: path.join(folder, 'etc'),
    });
  });

  test('a folder that only the way through a link leads to', async () => {
    await chmod(folder, 0o757);
    const link = await mkdtemp('/tmp/dockersh-test-');
    try {
      await symlink(file, path.join(link, 'policy.ini'));
      expect(await checkTrustedPath(path.join(link, 'policy.ini'), options)).toMatchObject({
        ok: false,
        path: folder,
      });
    } finally {
      await rm(link, { recursive: true });
    }
  });

  test('a loop of links', async () => {
    await symlink('loop', path.join(folder, 'loop'));
    expect(await checkTrustedPath(path.join(folder, 'loop'), options)).toMatchObject({ ok: false });
  });

  test('what is missing, beneath a file, or no absolute path', async () => {
    expect(await checkTrustedPath(`${file}.none`, options)).toMatchObject({ code: 'E_NOT_FOUND' });
    expect(await checkTrustedPath(`${file}/x`, options)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ENOTDIR'),
    });
    expect(await checkTrustedPath('etc/policy.ini', options)).toMatchObject({ ok: false });
    expect(await checkTrustedPath(`${file}\0`, options)).toMatchObject({ ok: false });
  });

  test.runIf(uid === 0)('a file or a link that belongs to somebody else', async () => {
    await symlink(file, path.join(folder, 'link'));
    await lchown(path.join(folder, 'link'), 12_345, 0);
    expect(await checkTrustedPath(path.join(folder, 'link'))).toMatchObject({
      ok: false,
      path: path.join(folder, 'link'),
      reason: 'belongs to uid 12345, not to root',
    });
    await lchown(file, 12_345, 0);
    expect(await checkTrustedPath(file)).toMatchObject({ ok: false, path: file });
  });

  test('as an exception where nothing else makes sense', async () => {
    await expect(requireTrustedPath(file, options)).resolves.toBe(file);
    await chmod(file, 0o666);
    const refusal = requireTrustedPath(file, options);
    await expect(refusal).rejects.toThrow(DockershError);
    await expect(refusal).rejects.toMatchObject({ code: 'E_UNTRUSTED_PATH', what: file });
  });
});

describe('no text file', () => {
  test('a fifo does not block, a folder and a large file are refused', async () => {
    const fifo = path.join(folder, 'fifo');
    await promisify(execFile)('mkfifo', ['-m', '600', fifo]);
    expect(await readTrustedFile(fifo, 100, options)).toMatchObject({
      ok: false,
      reason: 'is not a regular file',
    });
    expect(await readTrustedFile(path.join(folder, 'etc'), 100, options)).toMatchObject({ ok: false });
    expect(await readTrustedFile(file, 4, options)).toMatchObject({
      ok: false,
      reason: 'is larger than 4 bytes',
    });
  });

  test('bytes that are not UTF-8', async () => {
    await writeFile(file, Buffer.from([0x61, 0xff, 0x62]));
    expect(await readTrustedFile(file, 100, options)).toMatchObject({
      ok: false,
      reason: 'is not UTF-8 text',
    });
  });
});
