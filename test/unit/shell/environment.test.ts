// Tests of the environment of a session.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  imageEnvironment,
  mayTravel,
  passesNothing,
  sessionEnvironment,
  spareVariables,
  variable,
} from '../../../src/shell/environment.ts';

const account = { name: 'tester', uid: 1000, shell: '/bin/bash' };
const own = ['USER=tester', 'LOGNAME=tester', 'SHELL=/bin/bash', 'XDG_RUNTIME_DIR=/run/user/1000'];

const root = path.resolve(import.meta.dirname, '../../..');
const environ = readFileSync(path.join(root, 'native/login/environ.c'), 'utf8');
/** Names in a list of the login client's, those that begin with LC_ left out. */
const namesIn = (list: string): string[] => {
  const [, text = ''] = new RegExp(`\\b${list}\\[\\] = \\{([^}]*)\\}`).exec(environ) ?? [];
  return [...text.matchAll(/^ {4}"([A-Z_]+)=",$/gm)].map(([, name]) => name ?? '');
};
const sent = namesIn('always');

describe('what may travel', () => {
  test.each([
    'TERM=xterm',
    'TERM=',
    'LANG=C',
    'LC_ALL=C',
    'TZ=UTC',
    'SSH_CONNECTION=a b',
    'GIT_PROTOCOL=version=2',
  ])('%s', (entry) => {
    expect(mayTravel(entry)).toBe(true);
  });

  test.each([
    'LD_PRELOAD=/x',
    'BASH_ENV=/x',
    'ENV=/x',
    'NODE_OPTIONS=-r /x',
    'PATH=/x',
    'HOME=/x',
    'USER=root',
    'LOGNAME=root',
    'SHELL=/x',
    'XDG_RUNTIME_DIR=/x',
    'SSH_AUTH_SOCK=/tmp/agent',
    'DISPLAY=:0',
    'TERMINFO=/x',
    'term=xterm',
    'TERM',
  ])('not %s', (entry) => {
    expect(mayTravel(entry)).toBe(false);
  });

  test('the client sends what the daemon takes, and besides only the terminal and the command that the session replaces', () => {
    expect(sent.length).toBeGreaterThan(5);
    expect(sent.filter((name) => !mayTravel(`${name}=x`))).toEqual(['SSH_TTY', 'SSH_ORIGINAL_COMMAND']);
  });

  test('dockersh(1) names every variable that travels', () => {
    const manual = readFileSync(path.join(root, 'packaging/man/dockersh.1'), 'utf8');
    const named = /\.SH ENVIRONMENT\n([\s\S]*?)\.SH /.exec(manual)?.[1]?.match(/\b[A-Z][A-Z_]+\*?/g) ?? [];
    const travels = sent.filter((name) => mayTravel(`${name}=x`));
    expect(named.filter((name) => name !== 'BR').sort()).toEqual([...travels, 'LC_*'].sort());
  });
});

describe('what passes besides', () => {
  const login = [
    'EDITOR=vi',
    'GIT_DIR=/x',
    'PATH=/x',
    'HOME=/x',
    'SSH_AUTH_SOCK=/tmp/a',
    'DISPLAY=:0',
    'TERM=t',
  ];
  const policy = { ...passesNothing, names: ['EDITOR', 'GIT_*'] };

  test('is what the policy names, and never twice what always does', () => {
    expect(spareVariables(login, policy)).toEqual(['EDITOR=vi', 'GIT_DIR=/x']);
    expect(spareVariables(login, passesNothing)).toEqual([]);
    expect(sessionEnvironment(account, login, ['EDITOR=ed'], policy)).toEqual([
      ...['EDITOR=vi', 'GIT_DIR=/x', 'TERM=t', 'EDITOR=ed'],
      ...own,
    ]);
  });

  test('is nothing that a session has of its own, whatever the glob', () => {
    expect(spareVariables(login, { ...passesNothing, names: ['*'] })).toEqual(['EDITOR=vi', 'GIT_DIR=/x']);
    const kept = [
      'MAIL',
      'SHELL',
      'USER',
      'LOGNAME',
      'XDG_RUNTIME_DIR',
      'XDG_SESSION_ID',
      'SSH_TTY',
      'SSH_ASKPASS',
    ];
    const names = ['?*', ...kept];
    expect(
      spareVariables(
        [...kept, 'XAUTHORITY'].map((name) => `${name}=x`),
        { ...passesNothing, names },
      ),
    ).toEqual([]);
  });

  test('is what sshd makes for a connection, where that is in the sandbox', () => {
    const found = spareVariables([...login, 'XAUTHORITY=/x'], { ...passesNothing, joined: true });
    expect(found).toEqual(['SSH_AUTH_SOCK=/tmp/a', 'DISPLAY=:0', 'XAUTHORITY=/x']);
    expect(found.map((entry) => entry.split('=')[0]).sort()).toEqual(namesIn('joined').sort());
  });

  test('is the command that was asked for, where another one runs', () => {
    const original = 'SSH_ORIGINAL_COMMAND=borg serve';
    expect(spareVariables([original], { ...passesNothing, original: true })).toEqual([original]);
    expect(spareVariables([original], { ...passesNothing, names: ['*'] })).toEqual([]);
  });
});

describe('a session', () => {
  test('gets what may travel and its account', () => {
    expect(sessionEnvironment(account, ['TERM=xterm', 'LD_PRELOAD=/x', 'LC_ALL=C'], [])).toEqual([
      'TERM=xterm',
      'LC_ALL=C',
      ...own,
    ]);
  });

  test('its account comes last, so that nothing of the login can stand over it', () => {
    const env = sessionEnvironment(
      account,
      ['USER=root', 'LOGNAME=root', 'SHELL=/x', 'XDG_RUNTIME_DIR=/x'],
      [],
    );
    expect(env).toEqual(own);
  });

  test('names of the host that are not ASCII become the bytes of their UTF-8', () => {
    const env = sessionEnvironment({ ...account, name: 'jürgen' }, [], []);
    expect(env[0]).toBe('USER=j\xc3\xbcrgen');
  });

  test('bytes of the login stay as they are', () => {
    expect(sessionEnvironment(account, ['LANG=\xff\xfe'], [])[0]).toBe('LANG=\xff\xfe');
  });
});

test('a variable is found by its whole name, and the last one counts', () => {
  const env = ['AB=no', 'A=one', 'A=two=2', 'B=A=x'];
  expect(variable(env, 'A')).toBe('two=2');
  expect(variable(env, 'B')).toBe('A=x');
  expect(variable(['A='], 'A')).toBe('');
  expect(variable(env, 'C')).toBeUndefined();
});

test('an image without a search path gets one, under its own', () => {
  const [first, ...rest] = imageEnvironment(['PATH=/opt/bin', 'X=1']);
  expect(first).toMatch(/^PATH=.*\/usr\/bin/);
  expect(rest).toEqual(['PATH=/opt/bin', 'X=1']);
});
