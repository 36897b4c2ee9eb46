// Fuzzes the way from a login to a session: an image's word about its user, and all that a login brings along.

import fc from 'fast-check';
import { expect } from 'vitest';
import { rangeSize } from '../../../src/isolation/engine.ts';
import { shellArguments } from '../../../src/shell/command.ts';
import { mayTravel, sessionEnvironment } from '../../../src/shell/environment.ts';
import { resolveImageUser } from '../../../src/shell/image-user.ts';
import { loginSource } from '../../../src/shell/session.ts';
import { holds, hostileText, longRunOf, textOf } from '../lib/holds.ts';

const accounts = textOf(
  'root',
  'web',
  ':',
  'x',
  '0',
  '33',
  '65535',
  '65536',
  '4294967296',
  '\n',
  '00',
  '/srv',
  ',',
  '-1',
);
holds(
  "the user of an image's commands is never root, and has no id that is not mapped",
  fc.property(fc.oneof(accounts, hostileText), accounts, accounts, (text, passwd, group) => {
    const user = resolveImageUser(text, { passwd, group });
    if (user?.kind === 'unknown') expect(user.why).toMatch(/^[\x20-\x7e]*$/);
    if (user?.kind !== 'ids') return;
    const { uid, gid, groups, home } = user.identity;
    expect(uid).toBeGreaterThan(0);
    for (const id of [uid, gid, ...groups])
      expect(Number.isInteger(id) && id >= 0 && id < rangeSize).toBe(true);
    expect(home.startsWith('/')).toBe(true);
    expect(groups.length).toBeLessThanOrEqual(256);
  }),
  2000,
);

const assignments = fc.array(
  textOf('LC_A', 'LANG', 'PATH', 'LD_PRELOAD', 'HOME', 'USER', 'SHELL', '=', 'x', '\n'),
  { maxLength: 8 },
);
holds(
  'nothing of a login but what may travel reaches a session, and facts come last',
  fc.property(assignments, assignments, (login, policy) => {
    const account = { name: 'tester', uid: 1000, shell: '/bin/bash' };
    const env = sessionEnvironment(account, login, policy);
    const allowed = login.filter(mayTravel);
    expect(env.slice(0, allowed.length)).toEqual(allowed);
    for (const entry of allowed) expect(entry).not.toMatch(/^(?:PATH|LD_\w*|HOME|USER|SHELL)=/);
    expect(env.findLast((entry) => entry.startsWith('USER='))).toBe('USER=tester');
  }),
);

const word = textOf('-', '-c', 'dockersh', '/usr/bin/dockersh', ' ', 'ls', '\xff');
holds(
  'a command reaches the shell as it was said',
  fc.property(
    fc.array(word, { minLength: 1, maxLength: 5 }),
    word,
    fc.option(word),
    (args, execPath, original) => {
      const env = original === null ? [] : [`SSH_ORIGINAL_COMMAND=${original}`];
      const [first, ...rest] = shellArguments({ args, env, execPath });
      expect(['', '-']).toContain(first);
      const forced = args.length === 3 && args[1] === '-c' && args[2] === execPath && execPath !== '';
      if (args.length > 1 && !forced) expect(rest).toEqual(args.slice(1));
      else if (original !== null && !args[0]?.startsWith('-')) expect(rest).toEqual(['-c', original]);
      else expect(rest).toEqual([]);
    },
  ),
  1500,
);

holds(
  'where a login comes from is short and plain',
  fc.property(fc.oneof(hostileText, longRunOf('1', ' ', ':', '\x1b[')), (text) => {
    const request = { args: ['-'], env: [`SSH_CONNECTION=${text}`], umask: 0, startedNs: 0n, execPath: '' };
    expect(loginSource(request)).toMatch(/^[\w.:%?-]{0,64}$/);
  }),
);
