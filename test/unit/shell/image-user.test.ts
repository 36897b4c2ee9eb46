// The User of an image: who it is, and who it never is.

import { describe, expect, test } from 'vitest';
import { resolveImageUser } from '../../../src/shell/image-user.ts';

const passwd = [
  'root:x:0:0:root:/root:/bin/sh',
  'toor:x:0:5::/root:/bin/sh',
  'app:x:500:501:An app:/srv/app:/bin/false',
  'octal:x:0x10:1::/:',
  'high:x:70000:1::/:',
  '123:x:77:78::/seven',
  'homeless:x:60:61:::',
  'bad line',
  ':x:44:44::/:',
].join('\n');
const group = [
  'root:x:0:app',
  'app:x:501:',
  'media:x:600:other,app',
  'team:x:601:application,app',
  'apple:x:602:apps',
  'high:x:65536:app',
].join('\n');
const resolve = (text: string | undefined) => resolveImageUser(text, { passwd, group });

describe('a user that the image knows', () => {
  test.each([
    ['app', { uid: 500, gid: 501, groups: [501, 0, 600, 601], name: 'app', home: '/srv/app' }],
    ['500', { uid: 500, gid: 501, groups: [501, 0, 600, 601], name: 'app', home: '/srv/app' }],
    ['app:media', { uid: 500, gid: 600, groups: [600], name: 'app', home: '/srv/app' }],
    ['500:7', { uid: 500, gid: 7, groups: [7], name: 'app', home: '/srv/app' }],
    ['999:media', { uid: 999, gid: 600, groups: [600], name: '999', home: '/' }],
    ['999', { uid: 999, gid: 0, groups: [0], name: '999', home: '/' }],
    ['65535:65535', { uid: 65535, gid: 65535, groups: [65535], name: '65535', home: '/' }],
    // A name that looks like a number is a name first.
    ['123', { uid: 77, gid: 78, groups: [78], name: '123', home: '/seven' }],
    ['homeless', { uid: 60, gid: 61, groups: [61], name: 'homeless', home: '/' }],
  ])('%s', (text, identity) => {
    expect(resolve(text)).toEqual({ kind: 'ids', identity });
  });

  test('may be no user at all', () => {
    expect(resolve(undefined)).toBeUndefined();
    expect(resolve('')).toBeUndefined();
  });

  test('has a bounded number of groups', () => {
    const many = Array.from({ length: 1000 }, (_, index) => `g${index}:x:${index + 1}:app`).join('\n');
    const found = resolveImageUser('app', { passwd, group: many });
    expect(found?.kind === 'ids' && found.identity.groups.length).toBe(256);
  });
});

describe('root', () => {
  test.each(['root', '0', '00', 'toor', 'root:app', '0:501'])('is not given: %s', (text) => {
    expect(resolve(text)).toEqual({ kind: 'root' });
  });
});

describe('a user that cannot be', () => {
  test.each([
    ['nobody', 'is not in'],
    ['octal', 'is not in'],
    ['../../etc', 'is not in'],
    ['app\n', 'is not in'],
    ['-1', 'is not in'],
    ['1e3', 'is not in'],
    ['99999', 'an id above 65535'],
    ['65536', 'an id above 65535'],
    ['4294967295', 'an id above 65535'],
    ['4294967296', 'an id above 65535'],
    ['high', 'an id above 65535'],
    ['app:high', 'an id above 65535'],
    ['app:99999', 'an id above 65535'],
    ['99999999999', 'is not in'],
    ['app:nothing', 'a group that is not in'],
    ['app:', 'is not USER'],
    [':app', 'is not USER'],
    [':', 'is not USER'],
    ['app:app:app', 'is not USER'],
    ['x'.repeat(300), 'is not USER'],
  ])('%j', (text, why) => {
    const found = resolve(text);
    expect(found).toMatchObject({ kind: 'unknown', why: expect.stringContaining(why) });
  });

  test('is named without what a terminal would act upon', () => {
    expect(resolve('a\u001b]0;x\u0007')).toMatchObject({ why: expect.stringMatching(/^[\x20-\x7e]+$/) });
  });

  test('is not found where the image has no accounts', () => {
    const none = { passwd: undefined, group: undefined };
    expect(resolveImageUser('app', none)?.kind).toBe('unknown');
    expect(resolveImageUser('12', none)?.kind).toBe('ids');
    expect(resolveImageUser('12:app', none)?.kind).toBe('unknown');
  });
});
