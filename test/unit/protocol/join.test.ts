// Tests of the request of sshd's PAM module.

import { describe, expect, test } from 'vitest';
import { WireWriter } from '../../../src/lib/wire.ts';
import { mostAuthBytes, parseJoin } from '../../../src/protocol/join.ts';

const whole = (): WireWriter =>
  new WireWriter('join').text('user', 'ada').text('from', '192.0.2.7').u64('time', 5n);

describe('a join', () => {
  test('is read as it was sent', () => {
    const auth = Buffer.from('publickey ssh-ed25519 AAAA\n\x1b[31m');
    expect(parseJoin(whole().bytes('auth', auth).finish(1))).toEqual({
      user: 'ada',
      from: '192.0.2.7',
      auth,
      startedNs: 5n,
    });
  });

  test('needs no more than a name', () => {
    expect(parseJoin(new WireWriter('join').text('user', 'jürgen').finish(1))).toEqual({
      user: 'jürgen',
      startedNs: 0n,
    });
  });

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no name', new WireWriter('join').text('from', 'x').finish(1)],
    ['an empty name', new WireWriter('join').text('user', '').finish(1)],
    ['a long name', new WireWriter('join').text('user', 'x'.repeat(257)).finish(1)],
    ['a NUL in the name', new WireWriter('join').text('user', 'a\0b').finish(1)],
    ['a login', new WireWriter('login').text('user', 'ada').text('arg', 'x').finish(3)],
    [
      'more of what authenticated than there is',
      whole()
        .bytes('auth', Buffer.alloc(mostAuthBytes + 1))
        .finish(1),
    ],
  ])('is not %s', (_, data) => {
    expect(parseJoin(data)).toBeUndefined();
  });
});
