// Tests of turning a login into a session.

import { describe, expect, test } from 'vitest';
import { wireMaxBytes } from '../../../src/lib/wire.ts';
import type { LoginRequest } from '../../../src/protocol/login.ts';
import {
  chooseShell,
  loginSource,
  newSessionId,
  type SessionPolicy,
  sessionOf,
} from '../../../src/shell/session.ts';
import { aUser, noLimits } from '../isolation/records.ts';
import { seeded } from '../lib/seeded.ts';

const aLogin = (changes: Partial<LoginRequest> = {}): LoginRequest => ({
  args: ['-dockersh'],
  env: ['TERM=xterm', 'SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22'],
  umask: 0o027,
  startedNs: 0n,
  execPath: '/usr/local/bin/dockersh',
  ...changes,
});
const noKeep = { onHangup: 'end', keepForMs: null, mostKept: null } as const;
const nothing: SessionPolicy = {
  ...{
    env: [],
    passEnv: [],
    imageUser: 'ignore',
    umask: null,
    banner: null,
    welcome: 'no',
    ...noKeep,
    ...noLimits,
  },
  ...{ image: 'base', network: { kind: 'none' }, background: 'keep', selfService: [], lingerMs: 60_000 },
};
const bash = { path: '/bin/bash', wanted: false };

describe('the shell', () => {
  test("the policy's, before the account's", () => {
    expect(chooseShell('/bin/zsh', aUser({ shell: '/bin/fish' }))).toEqual({
      path: '/bin/zsh',
      wanted: true,
    });
  });

  test("the account's, where the policy has none", () => {
    expect(chooseShell(undefined, aUser({ shell: '/bin/fish' }))).toEqual({
      path: '/bin/fish',
      wanted: true,
    });
  });

  test.each([
    '/usr/local/bin/dockersh',
    '/opt/x/dockersh',
    '/usr/sbin/nologin',
    '/bin/false',
    '/bin/true',
    '/bin/sync',
    '',
    'bash',
    'bin/bash',
  ])("bash, silently, where the account's is %s", (shell) => {
    expect(chooseShell(undefined, aUser({ shell }))).toEqual(bash);
  });
});

describe('where a login came from', () => {
  test.each([
    [['SSH_CONNECTION=192.0.2.7 1 192.0.2.1 22'], '192.0.2.7'],
    [['SSH_CONNECTION=fe80::1%eth0 1 :: 22'], 'fe80::1%eth0'],
    [['SSH_CONNECTION='], ''],
    [['SSH_CONNECTION=\x1b[2J"\\\n1 1'], '??2J???1'],
    [[`SSH_CONNECTION=${'"'.repeat(1000)}`], '?'.repeat(64)],
    [['SSH_CLIENT=192.0.2.7 1 22'], undefined],
    [[], undefined],
  ])('%j', (env, from) => {
    expect(loginSource(aLogin({ env }))).toBe(from);
  });
});

describe('a session', () => {
  test('of a login', () => {
    expect(sessionOf('0123456789', aLogin(), aUser(), bash, nothing)).toEqual({
      id: '0123456789',
      args: ['-'],
      env: [
        'TERM=xterm',
        'SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 22',
        'USER=tester',
        'LOGNAME=tester',
        'SHELL=/bin/bash',
        'XDG_RUNTIME_DIR=/run/user/1000',
      ],
      umask: 0o027,
      from: '192.0.2.7',
      tcp: ['192.0.2.1', 22, '192.0.2.7', 50000],
      spareVariables: 0,
      sentVariables: 2,
      program: { kind: 'shell', path: '/bin/bash', announceFallback: false },
      asImageUser: false,
      limits: noLimits,
      banner: null,
      keep: null,
      offer: null,
    });
  });

  test.each([
    ['a login', aLogin(), [false, false, false]],
    ['a command by ssh', aLogin({ args: ['dockersh', '-c', 'id'] }), [false, false, true]],
    ['sftp', aLogin({ args: ['dockersh', '-c', '/usr/lib/sftp-server'] }), [false, false, true]],
    [
      'a command by ForceCommand',
      aLogin({ args: ['dockersh'], env: ['SSH_ORIGINAL_COMMAND=id'] }),
      [false, false, true],
    ],
    ['su -c', aLogin({ args: ['-dockersh', '-c', 'id'] }), [false, false, true]],
    ['dockersh-exec', aLogin({ user: 'tester', args: ['tester', 'id'] }), [false, true, true]],
    ['dockersh-exec without a command', aLogin({ user: 'tester', args: ['tester'] }), [false, false, false]],
  ])('%s is the image user’s where policy says so', (_, login, expected) => {
    const policies = ['ignore', 'exec', 'commands'] as const;
    expect(
      policies.map(
        (policy) => sessionOf('x', login, aUser(), bash, { ...nothing, imageUser: policy }).asImageUser,
      ),
    ).toEqual(expected);
  });

  test('is welcomed at a login, before the banner, and nowhere else', () => {
    const policy: SessionPolicy = { ...nothing, welcome: 'yes', banner: 'hi', hostname: 'box' };
    const banner = (login: LoginRequest) => sessionOf('x', login, aUser(), bash, policy).banner;
    expect(banner(aLogin())).toMatch(/^This is your own sandbox on box \(image base\)\..*\n.*\nhi$/);
    expect(banner(aLogin({ args: ['dockersh', '-c', 'id'] }))).toBe('hi');
    expect(banner(aLogin({ user: 'tester', args: ['tester'] }))).toBe('hi');
  });

  test('gets what the policy says, over what the login says', () => {
    const policy = {
      ...nothing,
      timezone: 'UTC',
      umask: 0o077,
      env: ['LANG=C', 'A=ü'],
      banner: 'hi',
      openFiles: 20,
    };
    const login = aLogin({ env: ['LANG=de', 'TZ=x', 'TERM=t'] });
    const session = sessionOf('x', login, aUser(), bash, { ...policy, mostSessions: 2, idleTimeMs: 1 });
    expect(session.env.slice(0, 6)).toEqual(['LANG=de', 'TZ=x', 'TERM=t', 'TZ=UTC', 'LANG=C', 'A=Ã¼']);
    expect(session).toMatchObject({ umask: 0o077, banner: 'hi' });
    expect(session.limits).toEqual({ ...noLimits, openFiles: 20, mostSessions: 2, idleTimeMs: 1 });
  });

  test('of root, who comes by dockersh-exec, is not kept out or sent away', () => {
    const policy = { ...nothing, openFiles: 20, mostSessions: 1, sessionTimeMs: 1, idleTimeMs: 1 };
    const session = sessionOf('x', aLogin({ user: 'tester', args: ['tester', 'id'] }), aUser(), bash, policy);
    expect(session.limits).toEqual({ ...noLimits, openFiles: 20 });
  });

  test('has what the policy lets pass first, and counts it apart', () => {
    const env = ['EDITOR=vi', 'TERM=t', 'DISPLAY=:0', 'X=1'];
    const policy = { ...nothing, passEnv: ['EDITOR'] };
    const plain = sessionOf('x', aLogin({ env }), aUser(), bash, policy);
    expect(plain.env.slice(0, 2)).toEqual(['EDITOR=vi', 'TERM=t']);
    expect([plain.spareVariables, plain.sentVariables]).toEqual([1, 2]);
    const joined = sessionOf('x', aLogin({ env }), aUser(), bash, policy, true);
    expect(joined.env.slice(0, 3)).toEqual(['EDITOR=vi', 'DISPLAY=:0', 'TERM=t']);
    const exec = sessionOf(
      'x',
      aLogin({ env, user: 'tester', args: ['tester'] }),
      aUser(),
      bash,
      policy,
      true,
    );
    expect(exec.env[0]).toBe('TERM=t');
    expect(exec.spareVariables).toBe(0);
  });

  test('tells the command of a key what was asked for', () => {
    const env = ['SSH_ORIGINAL_COMMAND=rsync --server'];
    const forced = sessionOf(
      'x',
      aLogin({ args: ['dockersh', '-c', 'rrsync /x'], env }),
      aUser(),
      bash,
      nothing,
    );
    expect(forced.args).toEqual(['', '-c', 'rrsync /x']);
    expect(forced.env[0]).toBe(env[0]);
    const plain = sessionOf('x', aLogin({ args: ['dockersh'], env }), aUser(), bash, nothing);
    expect(plain.env).not.toContain(env[0]);
  });

  test("dockersh-exec's command is run as it stands", () => {
    const login = aLogin({ user: 'tester', args: ['tester', 'ls', '-l', '$HOME'], env: [] });
    expect(sessionOf('x', login, aUser(), bash, nothing)).toMatchObject({
      args: ['ls', '-l', '$HOME'],
      program: { kind: 'direct' },
    });
  });

  test('dockersh-exec without a command is a login, whatever the environment holds', () => {
    const login = aLogin({ user: 'tester', args: ['tester'], env: ['SSH_ORIGINAL_COMMAND=id'] });
    expect(sessionOf('x', login, aUser(), bash, nothing)).toMatchObject({
      args: ['-'],
      program: { kind: 'shell' },
    });
  });

  test('says that a shell is missing only where somebody asked for it', () => {
    for (const wanted of [true, false]) {
      const session = sessionOf('x', aLogin(), aUser(), { path: '/bin/zsh', wanted }, nothing);
      expect(session.program).toEqual({ kind: 'shell', path: '/bin/zsh', announceFallback: wanted });
    }
  });

  test('of the longest command that ssh can carry fits into one message, as ForceCommand too', () => {
    const env = [`SSH_ORIGINAL_COMMAND=${'x'.repeat(131_000)}`];
    const session = sessionOf('x', aLogin({ args: ['dockersh'], env }), aUser(), bash, nothing);
    const bytes = [...session.args, ...session.env].reduce((sum, text) => sum + 8 + text.length, 0);
    expect(bytes).toBeLessThan(wireMaxBytes - 32 * 1024);
  });

  test('nothing that a login says changes who it is or which program runs', () => {
    const random = seeded(5);
    const words = ['-dockersh', 'dockersh', '-c', '/bin/sh', 'x', '', '-', '--', '/usr/local/bin/dockersh'];
    const names = [
      'USER',
      'LOGNAME',
      'SHELL',
      'HOME',
      'XDG_RUNTIME_DIR',
      'LD_PRELOAD',
      'PATH',
      'TERM',
      'LC_X',
      'TZ',
    ];
    const identity = ['USER=tester', 'LOGNAME=tester', 'SHELL=/bin/bash', 'XDG_RUNTIME_DIR=/run/user/1000'];
    for (let round = 0; round < 2000; round += 1) {
      const args = Array.from({ length: 1 + random.below(4) }, () => random.pick(words));
      const env = Array.from(
        { length: random.below(6) },
        () => `${random.pick(names)}=${random.pick(words)}`,
      );
      const session = sessionOf('x', aLogin({ args, env }), aUser(), bash, nothing);
      expect(session.program).toEqual({ kind: 'shell', path: '/bin/bash', announceFallback: false });
      expect(session.env.slice(-identity.length)).toEqual(identity);
      expect(session.env.filter((entry) => /^(LD_|PATH=|HOME=)/.test(entry))).toEqual([]);
      // What is left of argv[0] says only whether it is a login shell.
      expect(['', '-']).toContain(session.args[0]);
      const forced = args.length === 3 && args[1] === '-c' && args[2] === '/usr/local/bin/dockersh';
      expect(session.args.slice(1)).toEqual(forced ? [] : args.slice(1));
    }
  });
});

test('session ids are short and do not repeat', () => {
  const ids = Array.from({ length: 1000 }, newSessionId);
  expect(ids.every((id) => /^[0-9a-f]{10}$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
});
