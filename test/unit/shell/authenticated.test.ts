// Tests of what is said of an ssh connection's authentication, against ssh-keygen.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticatedBy } from '../../../src/shell/authenticated.ts';

let folder: string;
const program = 'ssh-keygen';
const keygen = (...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });
const info = (text: string): Buffer => Buffer.from(text, 'latin1');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dockersh-test-keys-'));
  keygen('-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'ca'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['ed25519', 'rsa', 'ecdsa'])('a key of type %s', (type) => {
  let file: string;
  let print: string;

  beforeAll(() => {
    file = join(folder, type);
    keygen('-q', '-t', type, ...(type === 'rsa' ? ['-b', '1024'] : []), '-N', '', '-f', file);
    keygen('-q', '-s', join(folder, 'ca'), '-I', 'an id', '-z', '42', '-n', 'ada', `${file}.pub`);
    print = keygen('-l', '-f', `${file}.pub`).split(' ')[1] ?? '';
  });

  const sent = (name: string): string => readFileSync(name, 'utf8').split(' ').slice(0, 2).join(' ');

  test('is told by its fingerprint', () => {
    expect(authenticatedBy(info(`publickey ${sent(`${file}.pub`)}\n`))).toBe(`publickey ${print}`);
  });

  test('of a certificate by that and its serial number', () => {
    const text = authenticatedBy(info(`publickey ${sent(`${file}-cert.pub`)}\n`));
    expect(text).toBe(`publickey ${print} certificate 42`);
  });
});

describe('what has authenticated', () => {
  test.each([
    ['password\n', 'password'],
    ['keyboard-interactive/pam\n', 'keyboard-interactive/pam'],
    ['', undefined],
    ['\n\n', undefined],
    ['pass\x1b[31mword', 'pass??31mword'],
    [
      'publickey ssh-ed25519-cert-v01@openssh.com AAAA',
      expect.stringMatching(/^publickey SHA256:[\w+/]{43}$/),
    ],
    ['publickey x', 'publickey'],
  ])('%j is %j', (text, expected) => {
    expect(authenticatedBy(info(text))).toEqual(expected);
  });

  test('names all methods that fit', () => {
    expect(authenticatedBy(info('publickey ssh-rsa AAAA\nkeyboard-interactive/pam\n'))).toMatch(
      /^publickey SHA256:\S+, keyboard-interactive\/pam$/,
    );
    const many = authenticatedBy(info('keyboard-interactive/pam\n'.repeat(40)));
    expect(many).toMatch(/ and \d+ more$/);
    expect(many?.length).toBeLessThan(140);
  });
});
