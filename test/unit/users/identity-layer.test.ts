// Tests of the identity layer: passwd, group, subuid, and the home inside.

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { idMapsOf } from '../../../src/isolation/ids.ts';
import { homeInside } from '../../../src/isolation/sandbox/home-inside.ts';
import { type AbsolutePath, below, resolved } from '../../../src/lib/values/absolute-path.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import {
  groupText,
  passwdText,
  prepareIdentityLayer,
  subordinateText,
} from '../../../src/users/identity-layer.ts';
import { aSandbox, aUser } from '../isolation/records.ts';

const ids = idMapsOf(aUser(), 3);
const linesOf = (text: string): string[] => {
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
};
const passwd = (image: string | undefined, user = aUser(), shell = '/bin/bash'): string[] =>
  linesOf(passwdText(image, { user, shell }, '/home/tester'));
const own = 'tester:*:1000:1000:A Tester,,,:/home/tester:/bin/bash';
const root = 'root:x:0:0:root:/root:/bin/sh';

/** What a user database could hold to add a field, a line or a user. */
const hostile = ['a:b', 'x\nroot::0:0::/:/bin/sh', 'x\0y', ':', '\n', '\r', ':0:0:', 'a\n\nb', 'ü:ß', ''];

describe('/etc/passwd', () => {
  test('of an image without one', () => {
    expect(passwd(undefined)).toEqual([root, expect.stringMatching(/^nobody:x:65534:65534:/), own]);
  });

  test("keeps the image's accounts and puts the user's at the end", () => {
    expect(passwd('root:*:0:0::/root:/bin/ash\ndaemon:x:1:1::/:/x\n')).toEqual([
      'root:*:0:0::/root:/bin/ash',
      'daemon:x:1:1::/:/x',
      own,
    ]);
  });

  test('whoever has the name or the uid in the image gives way', () => {
    const image =
      'root:x:0:0::/root:/bin/sh\ntester:*:33:33::/:/x\nubuntu:x:1000:1000::/home/ubuntu:/x\nx:x:10001:1::/:/x';
    expect(passwd(image)).toEqual(['root:x:0:0::/root:/bin/sh', 'x:x:10001:1::/:/x', own]);
  });

  test('there is always a root of id 0', () => {
    expect(passwd('rooty:x:5:5::/:/x\n')[0]).toBe(root);
    expect(passwd(undefined, aUser({ name: 'root' }))[0]).toBe(root);
  });

  test.each(hostile)('one line of seven fields, whatever the database says: %j', (text) => {
    const user = aUser({ name: `t${text}`, gecos: text });
    const lines = linesOf(
      passwdText('root:x:0:0::/root:/bin/sh\n', { user, shell: `/bin/${text}` }, `/home/${text}`),
    );
    expect(lines).toHaveLength(2);
    expect(lines[1]?.split(':')).toHaveLength(7);
    expect(lines[1]?.split(':').slice(1, 4)).toEqual(['*', '1000', '1000']);
    expect(lines[1]).not.toContain('\0');
  });
});

describe('/etc/group', () => {
  const groups = (image: string | undefined, user = aUser()): string[] => linesOf(groupText(image, user));

  test('has the user in every supplementary group, not in the primary one', () => {
    expect(groups(undefined)).toEqual([
      'root:x:0:',
      'nogroup:x:65534:',
      'tester:x:1000:',
      'project:x:2000:tester',
    ]);
  });

  test("whoever has a name or a gid of the user's groups in the image gives way", () => {
    const image = 'root:x:0:\nproject:x:50:\nusers:x:1000:\nkeep:x:20:a,b\n\n';
    expect(groups(image)).toEqual(['root:x:0:', 'keep:x:20:a,b', 'tester:x:1000:', 'project:x:2000:tester']);
  });

  test("the primary group gets the user's name where the database names none", () => {
    expect(groups('', aUser({ gid: 77, groups: [] }))).toEqual(['tester:x:77:']);
  });

  test('group 0 is the image’s, even for a user whom the host has in it', () => {
    const user = aUser({ gid: 0, groups: [{ gid: 0, name: 'root' }] });
    expect(groups('wheel:x:0:a\n', user)).toEqual(['wheel:x:0:a']);
  });

  test.each(hostile)('one line of four fields for each group, whatever the database says: %j', (text) => {
    const user = aUser({
      name: `t${text}`,
      groups: [
        { gid: 1000, name: text },
        { gid: 2000, name: text },
      ],
    });
    const lines = groups('root:x:0:\n', user).filter((line) => /^[^:]*:x:[12]000:/.test(line));
    expect(groups('root:x:0:\n', user)).toHaveLength(3);
    expect(lines.map((line) => line.split(':').length)).toEqual([4, 4]);
    for (const line of lines) expect(line).not.toMatch(/^:/);
  });
});

describe('the home inside', () => {
  test.each([
    ['/home/tester', '/home/tester'],
    ['/home/tester/', '/home/tester'],
    ['/home//./tester/../tester', '/home/tester'],
    ['/data/people/t', '/data/people/t'],
    ['/root', '/root'],
    ['/srv', '/srv'],
  ])('%s is kept', (home, inside) => {
    expect(homeInside(aUser({ home }))).toBe(inside);
  });

  test.each([
    '/',
    '',
    'relative',
    './x',
    '/nonexistent',
    '/proc/self',
    '/sys',
    '/dev/shm/x',
    '/etc',
    '/home/../etc/cron.d',
    '/../../proc',
    '//etc',
  ])('%s is no place for one', (home) => {
    expect(homeInside(aUser({ home }))).toBe('/home/tester');
  });

  test.each(['../../etc', '..', 'a/b', 'a\n:b'])('the name %j makes no path of its own', (name) => {
    const inside = homeInside(aUser({ name, home: '' }));
    expect(inside.split('/').slice(0, 2)).toEqual(['', 'home']);
    expect(inside.split('/')).toHaveLength(3);
    expect(inside).not.toMatch(/[:\n]/);
  });
});

describe('the layer', () => {
  let folder: AbsolutePath;
  beforeEach(async () => {
    folder = below(resolved(await mkdtemp('/tmp/dockersh-test-')), 'identity');
  });
  afterEach(async () => {
    await rm(path.dirname(folder), { recursive: true, force: true });
  });

  test('is readable by everybody inside and has what is mounted on', async () => {
    const mask = process.umask(0o077);
    const layer = await prepareIdentityLayer(folder, aSandbox(), ids);
    process.umask(mask);
    const mode = async (name: string): Promise<number> => (await stat(path.join(layer, name))).mode & 0o7777;
    expect(await mode('.')).toBe(0o755);
    expect(await mode('tmp')).toBe(0o1777);
    for (const name of ['etc/passwd', 'etc/group', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'])
      expect(await mode(name), name).toBe(0o644);
    const names = (await readdir(layer)).sort();
    expect(names).toEqual(['dev', 'etc', 'home', 'proc', 'run', 'sys', 'tmp', 'usr']);
    expect(await readFile(path.join(layer, 'etc/hosts'), 'utf8')).toContain('127.0.1.1\tbox\n');
    expect(await readdir(path.join(layer, 'home'))).toEqual(['tester']);
  });

  test('is written once, and again for what is different, in place of the old one', async () => {
    const first = await prepareIdentityLayer(folder, aSandbox(), ids);
    const { ino } = await stat(first);
    expect(await prepareIdentityLayer(folder, aSandbox(), ids)).toBe(first);
    expect((await stat(first)).ino).toBe(ino);
    const second = await prepareIdentityLayer(folder, aSandbox({ shell: '/bin/zsh' }), ids);
    expect(second).not.toBe(first);
    expect(await readdir(folder)).toEqual([path.basename(second)]);
  });
});

describe('/etc/subuid', () => {
  test('has ids of the range alone, and no line reaches across one of the user’s own', () => {
    const { uidMap } = idMapsOf(aUser({ uid: Uid.parse(20_000), gid: 20_000 }), 3);
    expect(subordinateText('tester', uidMap)).toBe('tester:1:19999\ntester:20001:45535\n');
    expect(subordinateText('tester', idMapsOf(aUser({ uid: Uid.parse(1000) }), 3).uidMap)).toBe(
      'tester:1:999\ntester:1001:64535\n',
    );
    expect(subordinateText('a:b\n', '0 5 20000\n')).toBe('ab:1:19999\n');
  });
});
