// Tests of our two lines in sshd's PAM service.

import { describe, expect, test } from 'vitest';
import { moduleState, withModule, withoutModule } from '../../../src/cli/sshd/module-lines.ts';

const nobody = { users: [], groups: [] };
const includes = (name: string): boolean => name === 'common-session';

/** As Debian has it, in short. */
const debian = `# PAM configuration for the Secure Shell service
@include common-auth
account    required     pam_nologin.so
@include common-account
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so close
session    required     pam_loginuid.so
@include common-session
session    optional     pam_motd.so  motd=/run/motd.dynamic
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so open
@include common-password
`;

describe('the lines', () => {
  test('stand before and behind all session lines', () => {
    const text = withModule(debian, nobody, includes);
    const lines = text.split('\n').filter((line) => !line.startsWith('#'));
    expect(lines[3]).toBe('session required pam_dockersh.so early');
    expect(lines.at(-3)).toBe('session required pam_dockersh.so');
    expect(moduleState(text, includes)).toEqual({
      kind: 'there',
      module: 'pam_dockersh.so',
      all: false,
      names: nobody,
    });
  });

  test.each([
    debian,
    debian.trimEnd(),
    `-session optional \\\n  pam_systemd.so\n`,
    '@include common-session\n',
    '# nothing else\n\n\nsession required pam_unix.so\n\n# a word behind it',
  ])('are never there twice, and leave what was there', (before) => {
    const once = withModule(before, nobody, includes);
    expect(withModule(once, nobody, includes)).toBe(once);
    expect(withoutModule(once).trimEnd()).toBe(before.trimEnd());
    const named = withModule(once, { users: ['ada'], groups: ['students', 'LAB\\dsh staff'] }, includes);
    expect(moduleState(named, includes)).toMatchObject({
      names: { users: ['ada'], groups: ['students', 'LAB\\dsh staff'] },
    });
    expect(withModule(named, nobody, includes)).toBe(once);
  });

  test('leave Debian’s file byte for byte as it was', () => {
    expect(withoutModule(withModule(debian, nobody, includes))).toBe(debian);
  });

  test.each(['a,b', 'a]b', 'a#b', 'a\\', ' a', ''])('do not name %j', (name) => {
    expect(() => withModule(debian, { users: [name], groups: [] }, includes)).toThrow(/cannot be written/);
  });

  test('name the login client where it is not in its usual place', () => {
    const client = '/usr/local/bin/dockersh';
    const text = withModule(debian, { ...nobody, client }, includes);
    expect(text).toContain(`early client=${client}\n`);
    expect(moduleState(text, includes)).toMatchObject({ names: { client } });
    expect(withModule(debian, { ...nobody, client: '/usr/bin/dockersh' }, includes)).not.toContain('client=');
  });

  test('go into no file without a session part', () => {
    expect(() => withModule('auth required pam_unix.so\n', nobody, includes)).toThrow(/no session lines/);
  });
});

describe('a service', () => {
  const good = withModule(debian, nobody, includes);
  const [early, last] = ['session required pam_dockersh.so early\n', 'session required pam_dockersh.so\n'];

  test.each<[string, string, RegExp]>([
    ['something before the first', `session optional pam_motd.so\n${good}`, /first session line/],
    ['something behind the last', `${good}session optional pam_motd.so\n`, /last session line/],
    ['an include behind the last', `${good}@include common-session\n`, /last session line/],
    ['the first alone', good.replace(last, ''), /only one line/],
    ['the last alone', good.replace(early, ''), /only one line/],
    ['one twice', good.replace(last, last + last), /3 lines name/],
    ['one that may fail', good.replace(last, 'session optional pam_dockersh.so\n'), /does not say required/],
    ['one that may be missing', good.replace(last, `-${last}`), /does not say required/],
    [
      'different options',
      good.replace(last, 'session required pam_dockersh.so groups=a\n'),
      /different options/,
    ],
    [
      'the wrong order',
      good.replace(early, last).replace(/(.*)session required pam_dockersh\.so\n/s, `$1${early}`),
      /first session line/,
    ],
  ])('with %s is wrong', (_, text, why) => {
    expect(moduleState(text, includes)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(why) });
  });

  test('without them, or with them commented out, has none', () => {
    expect(moduleState(debian, includes)).toEqual({ kind: 'absent' });
    expect(moduleState(good.replaceAll(/^session required pam_dockersh/gm, '#$&'), includes)).toEqual({
      kind: 'absent',
    });
  });
});
