// Tests of what is a word of self-service, and above all of what is none.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ownWords } from '../../../src/lib/values/own-words.ts';
import { ownCommandOfLogin, ownCommandText, parseOwnCommand } from '../../../src/shell/own-command.ts';

describe('a command that is exactly a word', () => {
  test.each([
    ['@help', 'help', [], false],
    ['@status --json', 'status', [], true],
    ['@snapshot', 'snapshot', [], false],
    ['@snapshot before-upgrade', 'snapshot', ['before-upgrade'], false],
    ['@rollback before-upgrade --json', 'rollback', ['before-upgrade'], true],
    ['@reset', 'reset', [], false],
    ['@reset yes', 'reset', ['yes'], false],
    [
      '@image use registry.example:5000/lab/base:2',
      'image',
      ['use', 'registry.example:5000/lab/base:2'],
      false,
    ],
    ['@attach', 'attach', [], false],
    ['@attach 2', 'attach', ['2'], false],
    ['@attach 2 peek', 'attach', ['2', 'peek'], false],
    ['@attach peek', 'attach', ['peek'], false],
    ['@keep 8h', 'keep', ['8h'], false],
    ['@publish +0:80 127.0.0.1:+1-4/udp', 'publish', ['+0:80', '127.0.0.1:+1-4/udp'], false],
  ])('%s', (text, word, args, json) => {
    const command = parseOwnCommand(text);
    expect(command).toEqual({ word, args, json });
    if (command !== undefined) expect(ownCommandText(command)).toBe(text);
  });
});

describe('an ordinary command', () => {
  test.each([
    '',
    '@',
    '@ help',
    ' @help',
    '@help ',
    '@help\n',
    '@help\r',
    '@help\t--json',
    '@help  --json',
    '@help --json --json',
    '@help --JSON',
    '@HELP',
    '@help;id',
    '@help|id',
    '@help&',
    '@help #',
    '"@help"',
    "'@help'",
    '\\@help',
    '$(echo @help)',
    '@$(echo help)',
    '@he""lp',
    '@{help}',
    '@help @status',
    'help',
    '@@help',
    '@constructor',
    '@__proto__',
    '@toString',
    '@snapshot a b',
    '@snapshot -x',
    '@snapshot .hidden',
    "@snapshot 'a'",
    '@snapshot a;id',
    '@snapshot a\nid',
    '@snapshot $HOME',
    '@snapshot ../x/../../y z',
    '@reset no',
    '@reset yes please',
    '@reset YES',
    '@image',
    '@image use',
    '@image use a b',
    '@image drop a',
    '@attach -1',
    '@attach 12345',
    '@attach peek 2',
    '@detach x',
    '@publish 80;id',
    '@publish `id`',
    `@publish ${Array.from({ length: 33 }, () => '80').join(' ')}`,
    `@snapshot ${'a'.repeat(545)}`,
    `@publish ${'8'.repeat(3000)}`,
    // Look-alikes: full-width and small commercial at, Cyrillic letters, a zero-width space, as bytes.
    ...['＠help', '﹫help', '@hеlp', '@help\u200b', '@\u200bhelp', '@help\u00a0--json', '@status\u0000'].map(
      (text) => Buffer.from(text, 'utf8').toString('latin1'),
    ),
  ])('%j', (text) => {
    expect(parseOwnCommand(text)).toBeUndefined();
  });

  test('whatever else it is', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(text, fc.constantFrom(...ownWords), text, (before, word, after) => {
        const command = `${before}@${word}${after}`;
        const parsed = parseOwnCommand(command);
        // A word is what it is written as: nothing is left out, unquoted or put right.
        if (parsed !== undefined) expect(ownCommandText(parsed)).toBe(command);
      }),
      { numRuns: 5000 },
    );
  });

  test('has nothing in it that a shell would read', () => {
    const piece = fc.constantFrom(
      '@help',
      '@publish',
      ' ',
      '80',
      ';',
      '$',
      '`',
      '"',
      "'",
      '\\',
      '\n',
      '\0',
      '&',
      '|',
      '<',
      '(',
      '*',
      '~',
      '#',
      '=',
      'yes',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join('');
        if (parseOwnCommand(text) !== undefined) expect(text).toMatch(/^@[a-z]+( [A-Za-z0-9+_.:/@[\]-]+)*$/);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a login', () => {
  const here = '/usr/local/bin/dockersh';
  const login = (args: string[], env: string[] = []) =>
    ownCommandOfLogin({ args, env, execPath: here })?.word;

  test('as login shell, and as ForceCommand', () => {
    expect(login(['dockersh', '-c', '@status'])).toBe('status');
    expect(login(['-dockersh', '-c', '@status'])).toBe('status');
    expect(login(['dockersh', '-c', here], ['SSH_ORIGINAL_COMMAND=@status'])).toBe('status');
    expect(login([here], ['SSH_ORIGINAL_COMMAND=@status'])).toBe('status');
  });

  test('with other arguments', () => {
    expect(login(['dockersh', '@status'])).toBeUndefined();
    expect(login(['@status'])).toBeUndefined();
    expect(login(['dockersh', '-c', '@status', '@status'])).toBeUndefined();
    expect(login(['dockersh', '-l', '-c', '@status'])).toBeUndefined();
    expect(login(['dockersh', '-i', '@status'])).toBeUndefined();
    expect(login(['dockersh'])).toBeUndefined();
    // The key's own command is what runs; what its holder asked for is only in the environment.
    expect(login(['dockersh', '-c', 'rsync --server'], ['SSH_ORIGINAL_COMMAND=@reset yes'])).toBeUndefined();
    expect(login(['-dockersh'], ['SSH_ORIGINAL_COMMAND=@status'])).toBeUndefined();
  });
});
