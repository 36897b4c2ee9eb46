// Settings that stand in several sections and files, and the one that wins.

import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/policy/evaluate.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { explain } from '../../../src/policy/explain.ts';
import { assemble, type ParsedPolicy } from '../../../src/policy/parse/assemble.ts';
import { parseFile } from '../../../src/policy/parse/file.ts';
import type { EffectivePolicy } from '../../../src/policy/policy.ts';

const alice: Subject = {
  name: 'alice',
  uid: 1000,
  group: 'lab',
  groups: ['lab', 'gpu'],
  home: '/home/alice',
  host: 'box',
};

function parsed(...texts: string[]): ParsedPolicy {
  return assemble(
    texts.map((text, index) => parseFile(text, `${index}.ini`)),
    '0.ini',
  );
}

function effective(subject: Subject, ...texts: string[]): EffectivePolicy {
  const { policy, problems } = parsed(...texts);
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  const result = evaluate(policy, subject);
  if (result.kind !== 'ok') throw new Error(result.why);
  return result.policy;
}

function refusal(subject: Subject, text: string): unknown {
  const { policy } = parsed(text);
  return policy === undefined ? undefined : evaluate(policy, subject);
}

describe('precedence', () => {
  const levels = [
    '[defaults]\nimage = host\npids = 101\n',
    '[image:host]\npids = 102\n',
    '[group:lab]\npids = 103\n',
    '[user:al*]\npids = 104\n',
    '[user:alice]\npids = 105\n',
  ];

  test.each([1, 2, 3, 4, 5])('of %i levels the last one counts, wherever it stands', (count) => {
    const text = levels.slice(0, count).toReversed().join('');
    expect(effective(alice, text).pids).toBe(100 + count);
  });

  test('of two groups the one that stands later', () => {
    const image = '[defaults]\nimage = host\n';
    expect(effective(alice, `${image}[group:gpu]\npids = 20\n[group:lab]\npids = 30\n`).pids).toBe(30);
    expect(effective(alice, `${image}[group:lab]\npids = 30\n[group:gpu]\npids = 20\n`).pids).toBe(20);
    expect(effective(alice, `${image}[group:other]\npids = 20\n`).pids).toBe(1024);
  });

  test('of two files the later one, within one level', () => {
    const first = '[defaults]\nimage = host\npids = 20\n[user:alice]\ncpus = 1\n';
    expect(effective(alice, first, '[defaults]\npids = 30\n')).toMatchObject({ pids: 30, cpus: 1 });
    expect(effective(alice, first, '[defaults]\ncpus = 2\n[user:alice, bob]\npids = 40\n')).toMatchObject({
      pids: 40,
      cpus: 1,
    });
  });

  test('a section of an image holds for whoever ends up with it', () => {
    const text =
      '[defaults]\nimage = host\n[group:lab]\nimage = lab/base:2\n[image:lab/*]\nshell = /bin/zsh\n';
    expect(effective(alice, text).shell).toBe('/bin/zsh');
    expect(effective({ ...alice, groups: [] }, text).shell).toBeUndefined();
    expect(parsed('[defaults]\nimage = a\n[image:a]\nimage = b\n').problems).toMatchObject([
      { line: 4, message: expect.stringContaining('no such key: image') },
    ]);
  });

  test('names are compared letter by letter, and are never taken for properties', () => {
    const text = '[defaults]\nimage = host\n[user:alice]\npids = 20\n[group:lab]\ncpus = 2\n';
    for (const name of ['Alice', 'alice ', '__proto__', 'constructor', 'toString']) {
      expect(effective({ ...alice, name, groups: [name] }, text)).toMatchObject({ pids: 1024, cpus: null });
    }
  });
});

describe('expansions', () => {
  test('in the image', () => {
    expect(effective(alice, '[defaults]\nimage = %g/%u:%U\n').image).toBe('lab/alice:1000');
    expect(effective(alice, '[defaults]\nimage = on-%H\n').image).toBe('on-box');
  });

  test.each(['..', '.', 'a/b', '../x', 'a b', 'a:b', 'a,b', '', 'a\nb', '%u'])(
    'a group called %j becomes no part of a name',
    (group) => {
      expect(refusal({ ...alice, group }, '[defaults]\nimage = lab/%g\n')).toMatchObject({
        kind: 'refused',
        code: 'E_POLICY_UNFIT',
      });
    },
  );

  test('what is not known does not count as nothing', () => {
    expect(refusal({ name: 'x', groups: [], host: 'h' }, '[defaults]\nimage = lab/%g\n')).toMatchObject({
      code: 'E_POLICY_UNFIT',
      why: expect.stringContaining('%g'),
    });
  });

  test('an unknown one is an error at once', () => {
    expect(parsed('[defaults]\nimage = lab/%x\n').problems).toMatchObject([{ line: 2, column: 9 }]);
    expect(parsed('[defaults]\nimage = lab/50%\n').problems).toMatchObject([{ line: 2, column: 9 }]);
  });
});

describe('env.NAME', () => {
  test('is passed verbatim, each variable on its own', () => {
    const text =
      '[defaults]\nimage = host\nenv.A = 1\nenv.B = %u $HOME `x` a=b,c\n[user:alice]\nenv.A = "; # 2"\nenv.LEER =\n';
    expect(effective(alice, text).env).toEqual(['A=; # 2', 'B=%u $HOME `x` a=b,c', 'LEER=']);
  });

  test.each([
    ['env.HOME = /x', 'the sandbox itself says'],
    ['env.USER = root', 'the sandbox itself says'],
    ['env.1A = x', 'no name of an environment variable'],
    ['env.A-B = x', 'no name of an environment variable'],
    ['env. = x', 'no name of an environment variable'],
    ['env.A += x', 'no list'],
    [`env.A = ${'x'.repeat(9000)}`, 'too long'],
  ])('%.20s is refused', (line, why) => {
    expect(parsed(`[defaults]\nimage = host\n${line}\n`).problems[0]?.message).toContain(why);
  });

  test('together they have a bound, so that a login always fits', () => {
    const lines = Array.from({ length: 5 }, (_, index) => `env.A${index} = ${'x'.repeat(4000)}`).join('\n');
    expect(refusal(alice, `[defaults]\nimage = host\n${lines}\n`)).toMatchObject({ code: 'E_POLICY_UNFIT' });
  });
});

describe('explain', () => {
  const text =
    '[defaults]\nimage = host\nmemory = 1G\nenv.A = 1\n[group:lab]\nmemory = 2G\n[user:alice]\nenv.A = 2\n';
  const keys = (subject: Subject) => {
    const { policy } = parsed(text, '[user:al*]\nmemory = 3G\n');
    if (policy === undefined) throw new Error('the policy is not valid');
    return new Map(explain(policy, subject).map((entry) => [entry.key, entry]));
  };

  test('names the line that counts and those it overrides, last first', () => {
    expect(keys(alice).get('memory')).toEqual({
      key: 'memory',
      value: '3G',
      from: [{ text: '3G', file: '1.ini', line: 2, section: 'user:al*' }],
      overrode: [
        { text: '2G', file: '0.ini', line: 6, section: 'group:lab' },
        { text: '1G', file: '0.ini', line: 3, section: 'defaults' },
        { text: '2G' },
      ],
    });
    expect(keys(alice).get('env.A')).toMatchObject({ value: '2', overrode: [{ text: '1' }] });
    expect(keys(alice).get('shell')).toEqual({ key: 'shell', value: null, from: [], overrode: [] });
  });

  test('says why a value does not fit', () => {
    const { policy } = parsed('[defaults]\nimage = lab/%g\n');
    const [image] = policy === undefined ? [] : explain(policy, { ...alice, group: '..' });
    expect(image).toMatchObject({ key: 'image', value: 'lab/%g', problem: expect.stringContaining('%g') });
  });
});

test('"+=" is for lists alone', () => {
  expect(parsed('[defaults]\nimage = host\nmemory += 1G\n').problems).toMatchObject([
    { line: 3, column: 1, message: expect.stringContaining('memory is no list') },
  ]);
  expect(parsed('[images]\nplain_http += a\n').problems[0]?.message).toContain('no list');
});

test('[images] of several files are one', () => {
  const { policy } = parsed(
    '[defaults]\nimage = a\n[images]\nregistry = a.example\nmax_bytes = 2M\n',
    '[images]\nmax_bytes = 3M\n',
  );
  expect(policy?.images).toMatchObject({ registry: 'a.example', maxBytes: 3 * 1024 ** 2 });
});

test('what is wrong in any file is named with that file', () => {
  const { policy, problems } = parsed('[defaults]\nimage = host\n', '[user:a]\nmemroy = 1G\n');
  expect(policy).toBeUndefined();
  expect(problems).toMatchObject([{ file: '1.ini', line: 2, column: 1, hint: 'did you mean memory?' }]);
});
