// Tests of the messages between daemon and login client.

import { describe, expect, test } from 'vitest';
import { fieldOf, parseWire, textOf, u32Of, WireWriter } from '../../../src/lib/wire.ts';
import { type LoginRequest, loginError, parseLogin } from '../../../src/protocol/login.ts';
import { seeded } from '../lib/seeded.ts';

const whole = (): WireWriter =>
  new WireWriter('login')
    .u64('time', 123n)
    .u32('umask', 0o027)
    .text('execPath', '/usr/local/bin/dockersh')
    .text('arg', 'dockersh')
    .text('arg', '-c')
    .byteString('arg', 'printf \xff;\n')
    .text('env', 'TERM=xterm')
    .text('env', 'LC_ALL=');

describe('a login', () => {
  test('is read as it was sent', () => {
    expect(parseLogin(whole().finish(3))).toEqual({
      args: ['dockersh', '-c', 'printf \xff;\n'],
      env: ['TERM=xterm', 'LC_ALL='],
      umask: 0o027,
      startedNs: 123n,
      execPath: '/usr/local/bin/dockersh',
    });
  });

  test('needs no more than a name', () => {
    expect(parseLogin(new WireWriter('login').text('arg', '-dockersh').finish())).toEqual({
      args: ['-dockersh'],
      env: [],
      umask: 0o022,
      startedNs: 0n,
      execPath: '',
    });
  });

  test('of dockersh-exec names a user, in UTF-8', () => {
    expect(parseLogin(whole().text('user', 'jürgen').finish())?.user).toBe('jürgen');
  });

  test('may hold as long a command as one argument of execve', () => {
    const command = 'x'.repeat(131_071);
    expect(parseLogin(whole().text('arg', command).finish())?.args.at(-1)).toBe(command);
  });
});

describe('what is no login', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['no argument', new WireWriter('login').text('env', 'TERM=x').finish()],
    ['another message', new WireWriter('hello').text('arg', 'dockersh').finish()],
    ['a message of a supervisor', new WireWriter('sessionEnded').text('arg', 'dockersh').finish()],
    ['a NUL in an argument', whole().text('arg', 'a\0b').finish()],
    ['a NUL in the environment', whole().text('env', 'TERM=a\0LD_PRELOAD=x').finish()],
    ['a NUL in the path', whole().text('execPath', '/a\0b').finish()],
    ['a variable without a value', whole().text('env', 'TERM').finish()],
    ['a variable without a name', whole().text('env', '=x').finish()],
    ['a variable whose name is none', whole().text('env', 'A B=x').finish()],
    ['a variable whose name begins with a line break', whole().text('env', '\nTERM=x').finish()],
    ['a mask of more than nine bits', whole().u32('umask', 0o1000).finish()],
    ['a user without a name', whole().text('user', '').finish()],
    ['a user of too long a name', whole().text('user', 'x'.repeat(257)).finish()],
  ])('%s', (_, data) => {
    expect(parseLogin(data)).toBeUndefined();
  });

  test('too many arguments', () => {
    const many = (count: number): Buffer => {
      const writer = new WireWriter('login');
      for (let index = 0; index < count; index += 1) writer.text('arg', '');
      return writer.finish();
    };
    expect(parseLogin(many(2048))?.args).toHaveLength(2048);
    expect(parseLogin(many(2049))).toBeUndefined();
  });

  test('what tags of other messages say is not heard', () => {
    const data = whole().u32('uid', 0).u32('gid', 0).text('shell', '/bin/evil').text('id', 'x').finish();
    expect(Object.keys(parseLogin(data) ?? {}).sort()).toEqual([
      'args',
      'env',
      'execPath',
      'startedNs',
      'umask',
    ]);
  });

  test('whatever is damaged is refused or still a whole login', () => {
    const random = seeded(13);
    const holds = (request: LoginRequest): boolean =>
      request.args.length > 0 &&
      request.umask <= 0o777 &&
      ![...request.args, ...request.env, request.execPath].some((text) => text.includes('\0')) &&
      request.env.every((entry) => /^[A-Za-z_]\w*=/.test(entry));
    let understood = 0;
    for (let round = 0; round < 5000; round += 1) {
      const data = whole().finish(3);
      for (let times = 1 + random.below(4); times > 0; times -= 1)
        data[random.below(data.length)] = random.below(256);
      const request = parseLogin(
        data.subarray(0, random.below(4) === 0 ? random.below(data.length) : data.length),
      );
      if (request === undefined) continue;
      understood += 1;
      expect(holds(request)).toBe(true);
    }
    expect(understood).toBeGreaterThan(100);
    expect(understood).toBeLessThan(4900);
  });
});

describe('a refusal', () => {
  test('carries its text and the exit status', () => {
    const message = parseWire(loginError('no sandbox is configured', 125));
    if (message === undefined) throw new Error('the refusal is not understood');
    expect([message.type, textOf(message, 'text'), u32Of(message, 'code')]).toEqual([
      'error',
      'no sandbox is configured',
      125,
    ]);
  });

  test('is never longer than what the client has room for (1023 bytes)', () => {
    for (const letter of ['x', 'ü', '€', '👋']) {
      const message = parseWire(loginError(letter.repeat(5000), 125));
      if (message === undefined) throw new Error('the refusal is not understood');
      expect(fieldOf(message, 'text')?.length).toBeLessThan(1024);
    }
  });
});
