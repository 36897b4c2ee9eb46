// Tests of how the login client was called, and what the user's shell is called with.

import { describe, expect, test } from 'vitest';
import { shellArguments } from '../../../src/shell/command.ts';
import { seeded } from '../lib/seeded.ts';

const here = '/usr/local/bin/dockersh';
const called = (args: string[], env: string[] = [], execPath = here): string[] =>
  shellArguments({ args, env, execPath });
const original = (command: string): string[] => ['TERM=xterm', `SSH_ORIGINAL_COMMAND=${command}`];

describe('as a login shell', () => {
  test.each([
    ['sshd without a command, login, su -, sudo -i', ['-dockersh'], ['-']],
    ['a program that gives the whole path', ['-/usr/local/bin/dockersh'], ['-']],
    ['ssh host command', ['dockersh', '-c', 'ls -l'], ['', '-c', 'ls -l']],
    ['su user -c', ['dockersh', '-c', 'id'], ['', '-c', 'id']],
    ['su - user -c, sudo -i command', ['-dockersh', '-c', 'id'], ['-', '-c', 'id']],
    ['asked to be a login shell', ['dockersh', '-l'], ['', '-l']],
    ['asked for both', ['dockersh', '-l', '-c', 'id'], ['', '-l', '-c', 'id']],
    ['a script with words', ['dockersh', 'x.sh', 'a b', ''], ['', 'x.sh', 'a b', '']],
    [
      '-c with more words',
      ['dockersh', '-c', 'echo "$1"', 'sh', 'word'],
      ['', '-c', 'echo "$1"', 'sh', 'word'],
    ],
    ['an empty command', ['dockersh', '-c', ''], ['', '-c', '']],
    ['-c with nothing after it', ['dockersh', '-c'], ['', '-c']],
    ['an option of the shell itself', ['dockersh', '--norc', '-i'], ['', '--norc', '-i']],
    ['su without a dash', ['dockersh'], ['-']],
  ])('%s', (_, args, expected) => {
    expect(called(args)).toEqual(expected);
  });

  test('a forced command leaves an environment behind that a login does not obey', () => {
    // su - inside a forced command: the variable is still there, and it is a login all the same.
    expect(called(['-dockersh'], original('id'))).toEqual(['-']);
    expect(called(['dockersh', '-c', 'true'], original('id'))).toEqual(['', '-c', 'true']);
  });
});

describe('as ForceCommand', () => {
  test.each([
    ['of an account with another shell', ['/usr/local/bin/dockersh']],
    ['of an account whose shell is dockersh too', ['dockersh', '-c', here]],
  ])('%s: a login without a command', (_, args) => {
    expect(called(args)).toEqual(['-']);
  });

  test.each([
    ['of an account with another shell', ['/usr/local/bin/dockersh']],
    ['of an account whose shell is dockersh too', ['dockersh', '-c', here]],
  ])('%s: the original command', (_, args) => {
    expect(called(args, original('scp -t x; bash'))).toEqual(['', '-c', 'scp -t x; bash']);
    expect(called(args, original(''))).toEqual(['', '-c', '']);
    expect(called(args, original('A=b c'))).toEqual(['', '-c', 'A=b c']);
    expect(called(args, [...original('one'), ...original('two')])).toEqual(['', '-c', 'two']);
  });

  test('only the exact path of the program means the program', () => {
    const inside = (command: string): string[] => ['', '-c', command];
    for (const command of [
      `${here} `,
      `${here} -l`,
      `exec ${here}`,
      '/usr/local/bin/../bin/dockersh',
      'dockersh',
    ]) {
      expect(called(['dockersh', '-c', command], original('id')), command).toEqual(inside(command));
    }
    expect(called(['dockersh', '-c', here, 'x'], original('id'))).toEqual(['', '-c', here, 'x']);
    expect(called(['dockersh', '-x', here], original('id'))).toEqual(['', '-x', here]);
  });

  test('a client that does not say where it is stands for no command at all', () => {
    expect(called(['dockersh', '-c', ''], original('id'), '')).toEqual(['', '-c', '']);
  });
});

test('arguments pass byte for byte, in order, whatever they are', () => {
  const random = seeded(11);
  const pieces = [
    '-',
    '-c',
    '-l',
    ';',
    '$(id)',
    '`',
    '"',
    "'",
    ' ',
    '\n',
    '\t',
    '\\',
    '*',
    '\xff',
    '\x01',
    '',
    here,
  ];
  const word = (): string => Array.from({ length: random.below(4) }, () => random.pick(pieces)).join('');
  for (let round = 0; round < 2000; round += 1) {
    const rest = Array.from({ length: 1 + random.below(4) }, word);
    const login = random.below(2) === 0;
    const result = called([login ? '-dockersh' : 'dockersh', ...rest], original('id'), '/another/place');
    expect(result).toEqual([login ? '-' : '', ...rest]);
  }
});
