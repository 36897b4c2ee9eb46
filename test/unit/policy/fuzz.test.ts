// Fuzzes what is read of policies, of users' own files and of old configurations: whatever text there is, it is
// read, or its problems are named with their places.

import fc from 'fast-check';
import { expect } from 'vitest';
import { convertOldConfig } from '../../../src/policy/convert/convert.ts';
import { expand, type Subject, sampleSubject } from '../../../src/policy/expand.ts';
import { globTest, isGlob } from '../../../src/policy/glob.ts';
import { assemble } from '../../../src/policy/parse/assemble.ts';
import { parseFile } from '../../../src/policy/parse/file.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { userSettings } from '../../../src/policy/parse/user-file.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { checkPolicyValue, policyKeys } from '../../../src/policy/schema.ts';
import { holds, hostileText, longRunOf, textOf } from '../lib/holds.ts';
import { someTexts } from './key-samples.ts';

const headers = ['[defaults]', '[user:', '[group:', '[images]', '[host]', ']'];
const file = textOf(...headers, '=', '+=', '\n', '"', "'", ';', '\\', ...policyKeys);

holds(
  'any text is read or refused line by line',
  fc.property(file, (text) => {
    const lines = text.split(/\r\n|\r|\n/).length;
    for (const { line, column } of parseFile(text, 'policy.ini').problems) {
      expect(line).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(lines);
      expect(column).toBeGreaterThanOrEqual(1);
    }
  }),
  2000,
);

const texts = fc
  .constantFrom(...policyKeys)
  .chain((key) =>
    fc
      .oneof(fc.constantFrom(...someTexts[key]), textOf(...someTexts[key], ' ', ',', ':', '/', '..', '%u'))
      .map((text) => ({ key, text })),
  );
holds(
  'a value is taken or refused with words, whatever it is',
  fc.property(texts, ({ key, text }) => {
    const problem = checkPolicyValue(key, text);
    if (problem !== undefined) expect(problem).not.toBe('');
  }),
  2000,
);

/** As a regular expression, for globs that are short enough. */
function oracle(glob: string): RegExp {
  const pattern = glob
    .replaceAll(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`, 'su');
}
holds(
  'a glob fits what a regular expression of the same meaning fits',
  fc.property(
    fc
      .array(fc.constantFrom('a', 'b', '*', '?', '.', '\\', '$'), { maxLength: 8 })
      .map((all) => all.join('')),
    fc.array(fc.constantFrom('a', 'b', '.', '\\', '$', '\n'), { maxLength: 10 }).map((all) => all.join('')),
    (glob, name) => {
      const compiled = globTest(glob);
      expect('test' in compiled && compiled.test(name)).toBe(oracle(glob).test(name));
      if (!isGlob(name)) expect(globTest(name)).toMatchObject({ test: expect.any(Function) });
    },
  ),
  2000,
);

holds(
  'long texts take no time',
  fc.property(
    longRunOf('a', '*', '*a', '?', '[', ']', '] ', '[a', ' ', '"', '%', '.', '-', '.-', ';', '=', '\\'),
    (text) => {
      const glob = globTest(text.slice(0, 3000));
      if ('test' in glob) glob.test('a'.repeat(3000));
      parseFile(`[defaults]\n${text}\nshell = ${text}\n[${text}]`, 'policy.ini');
      for (const expansion of ['path', 'label', 'text'] as const) {
        expand(text, sampleSubject, expansion);
        expand('%u', { ...sampleSubject, name: text }, expansion);
      }
      convertOldConfig(`[dockersh]\nimagename = x${text}x\ndockeropt = ${text}\n[user "${text}`);
    },
  ),
  60,
);

const name = fc.oneof(hostileText, textOf('alice', '..', '/', '.', 'LAB\\', ' ', '%', ':', ','));
holds(
  'what is expanded in a path stays one component of it, and in a host name what those may have',
  fc.property(name, name, name, (user, group, home) => {
    const subject: Subject = { ...sampleSubject, name: user, group, home };
    const path = expand('/data/%u/%g/%U', subject, 'path');
    if (path.ok) {
      expect(path.text.split('/')).toHaveLength(5);
      for (const part of path.text.split('/').slice(1)) expect(part).toMatch(/^(?!\.{1,2}$)[^\s:,]+$/);
    } else expect(path.problem).not.toBe('');
    const whole = expand('%h/x', subject, 'path');
    if (whole.ok) expect(whole.text).toMatch(/^\/(?!.*\/\.{0,2}\/)/);
    const label = expand('%u-%g', subject, 'label');
    if (label.ok) expect(label.text).toMatch(/^[A-Za-z0-9.-]*$/);
  }),
  2000,
);

const { policy } = assemble(
  [parseFile('[defaults]\nuser_may_set = shell umask pids\npids = 100\n', 'a.ini')],
  'a.ini',
);
const settings = fc.oneof(
  textOf(
    'shell = /bin/zsh\n',
    'pids = ',
    '50',
    '500',
    '\n',
    'umask=027\n',
    'root = yes\n',
    'image = other\n',
    '[defaults]\n',
    'mounts = /:/x',
  ),
  file,
);
holds(
  'a user gets nothing by their own file that root has not let them set, and no more of it',
  fc.property(settings, (text) => {
    const { own, problems } = userSettings(text, policy as Policy, { ...sampleSubject, groups: [] });
    for (const { settings: given, env } of own) {
      for (const key of given.keys()) expect(['shell', 'umask', 'pids']).toContain(key);
      expect(Number(given.get('pids')?.text ?? 0)).toBeLessThanOrEqual(100);
      expect([...env]).toEqual([]);
    }
    for (const { line, message } of problems) expect(line >= 0 && message !== '').toBe(true);
  }),
  2000,
);

const options = textOf(
  '-m',
  '--memory=',
  '1g',
  ' ',
  '--volume',
  '/a:/b:ro',
  '-v/a:/b',
  '--ulimit',
  'nofile=1:2',
  '-e A=b',
  '--cpus',
  '0.5',
  '=',
  '--privileged',
  '"',
  '\\',
);
const old = fc.oneof(
  options.map((text) => `[dockersh]\ndockeropt = ${text.replaceAll('\n', ' ')}\n`),
  textOf(
    '[dockersh]\n',
    '[user "',
    'alice',
    '"]\n',
    'imagename = x\n',
    'shell',
    '=',
    'enableuserconfig\n',
    '\n',
    ';',
    '"',
  ),
);
holds(
  'of an old configuration comes a policy that is valid, or a note that says what is not',
  fc.property(old, (text) => {
    const { text: made, notes } = convertOldConfig(text);
    const wrong = parsePolicy(made, 'made.ini').problems.filter(({ severity }) => severity === 'error');
    const named = notes.filter(({ message }) => message.startsWith('the result needs a look'));
    expect(named).toHaveLength(wrong.length);
  }),
  1000,
);
