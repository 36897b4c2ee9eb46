// Tests of a user's own settings and their bounds.

import { describe, expect, test } from 'vitest';
import type { PublishedPorts } from '../../../src/lib/network/network.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { explain } from '../../../src/policy/explain.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { userSettings } from '../../../src/policy/parse/user-file.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { describePolicyKey, policyKeys } from '../../../src/policy/schema.ts';
import { seeded } from '../lib/seeded.ts';
import { someTexts, valueIn } from './key-samples.ts';

const alice: Subject = {
  name: 'alice',
  uid: 1000,
  group: 'lab',
  groups: ['lab'],
  home: '/home/alice',
  host: 'box',
};

function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(text, 'p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

function combined(policy: Policy, file: string) {
  const { own, problems } = userSettings(file, policy, alice);
  const evaluation = evaluate(policy, alice, own);
  if (evaluation.kind !== 'ok') throw new Error(evaluation.why);
  return { policy: evaluation.policy, own, problems: problems.map(({ line, message }) => [line, message]) };
}

const may = (keys: string, more = ''): Policy =>
  policyOf(`[defaults]\nimage = host\nmemory = 2G\nuser_may_set = ${keys}\n${more}`);

describe('what the user says counts', () => {
  test('where root lets it', () => {
    const file = 'shell = /bin/zsh\n; comment\nmemory = 1G\nnice = 5\nenv.EDITOR = vim\ntimezone = UTC\n';
    const { policy, problems } = combined(may('shell memory nice env timezone'), file);
    expect(problems).toEqual([]);
    expect(policy).toMatchObject({
      shell: '/bin/zsh',
      memoryLimitBytes: 1024 ** 3,
      nice: 5,
      env: ['EDITOR=vim'],
      timezone: 'UTC',
    });
  });

  test('over every section of root’s', () => {
    const policy = policyOf(
      '[defaults]\nimage = host\nuser_may_set = shell\n[user:alice]\nshell = /bin/ksh\n',
    );
    expect(combined(policy, 'shell = /bin/zsh').policy.shell).toBe('/bin/zsh');
  });

  test('and explain says so', () => {
    const policy = may('shell');
    const { own } = combined(policy, '\nshell = /bin/zsh\n');
    expect(explain(policy, alice, own).find(({ key }) => key === 'shell')).toMatchObject({
      value: '/bin/zsh',
      from: [{ file: '~/.dockersh.ini', line: 2, section: 'your own' }],
    });
  });

  test('nothing by default', () => {
    const { policy, problems } = combined(
      policyOf('[defaults]\nimage = host\n'),
      'shell = /bin/zsh\nenv.A = b\n',
    );
    expect(policy).toMatchObject({ env: [] });
    expect(policy.shell).toBeUndefined();
    expect(problems).toEqual([
      [1, 'shell: you may not set this'],
      [2, 'A: you may not set variables'],
    ]);
  });
});

describe('bounds', () => {
  test.each([
    ['memory = 3G', 'memory: 3G is more than you may set'],
    ['memory = none', 'memory: none is more than you may set'],
    ['pids = 2000', 'pids: 2000 is more than you may set'],
    ['linger = forever', 'linger: forever is more than you may set'],
    ['nice = 2', 'nice: 2 is less than you may set'],
    ['image = other', '"other" is none of the images'],
    ['image = lab/%g', '% stands for nothing in this file'],
    ['hostname = %h', '% stands for nothing in this file'],
  ])('%s', (line, message) => {
    const policy = may('memory pids linger nice image hostname', 'nice = 3\nimages_allowed = lab/* base\n');
    const { problems, policy: effective } = combined(policy, line);
    expect(problems).toEqual([[1, expect.stringContaining(message)]]);
    expect(effective).toEqual(combined(policy, '').policy);
  });

  test.each(['lab/x:1', 'base', 'host'])('image = %s is among those allowed', (image) => {
    const policy = may('image', 'images_allowed = lab/* base\n');
    expect(combined(policy, `image = ${image}`).policy.image).toBe(image);
  });

  test.each([
    ['debian:trixie', 'debian:*', true],
    ['docker.io/library/debian:trixie', 'debian:*', true],
    ['index.docker.io/library/debian:trixie', 'docker.io/library/debian:trixie', true],
    ['debian', 'debian:latest', true],
    ['docker.io/lab/x', 'lab/*', true],
    ['registry.example/lab/x', 'lab/*', false],
    // What finds an image by its content is no name, whatever stands beside it.
    [`lab/x@sha256:${'a'.repeat(64)}`, 'lab/*', false],
    [`lab/x:1@sha256:${'a'.repeat(64)}`, '*', false],
    ['0123456789ab', '[0-9]*', false],
    [`sha256:${'a'.repeat(64)}`, 'sha256:*', false],
    [`lab/x@sha256:${'a'.repeat(64)}`, `lab/x@sha256:${'a'.repeat(64)}`, true],
  ])('image = %s where images_allowed has %s: %s', (image, glob, allowed) => {
    const policy = may('image', `images_allowed = ${glob}\n`);
    expect(combined(policy, `image = ${image}`).policy.image).toBe(allowed ? image : 'host');
  });

  test.each([
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:trixie', 'registry-1.docker.io/library/debian:trixie'],
    ['debian*', 'docker.io/library/debian:trixie'],
    ['docker.io/library/*', 'debian'],
  ])('are those of [image:%s] however the image is written: %s', (section, image) => {
    const policy = may('image memory', `images_allowed = *\n[image:${section}]\nmemory = 512M\n`);
    const { problems, policy: effective } = combined(policy, `image = ${image}\nmemory = 1G\n`);
    expect(problems).toEqual([[2, 'memory: 1G is more than you may set']]);
    expect(effective).toMatchObject({ image, memoryLimitBytes: 512 * 1024 ** 2 });
  });

  test('go by the default registry that the policy has', () => {
    const text = 'images_allowed = lab.example/*\n[images]\nregistry = lab.example\n';
    expect(combined(may('image', text), 'image = base').policy.image).toBe('base');
    expect(combined(may('image', text), 'image = docker.io/base').policy.image).toBe('host');
  });

  test('are those of the image that the user has chosen', () => {
    const policy = may('image memory', 'images_allowed = small\n[image:small]\nmemory = 512M\n');
    const { problems, policy: effective } = combined(policy, 'image = small\nmemory = 1G\n');
    expect(problems).toEqual([[2, 'memory: 1G is more than you may set']]);
    expect(effective).toMatchObject({ image: 'small', memoryLimitBytes: 512 * 1024 ** 2 });
  });
});

describe('a bad file', () => {
  test.each([
    ['[defaults]\nmemory = 9G\n', /no sections/],
    ['memory', /neither a section/],
    ['memroy = 1G', /no such key: memroy/],
    ['memory = lots', /not a size/],
    ['shell = /bin/zsh\nshell = /bin/ksh', /set twice/],
    ['mounts = /:/host:rw', /you may not set this|not SOURCE/],
    ['user_may_set += env', /you may not set this/],
    ['home = host', /you may not set this/],
    ['env.HOME = /x', /the sandbox itself says/],
    ['\0', /control character/],
  ])('%j is reported, and never stops a login', (file, message) => {
    const policy = may('memory shell env');
    const { problems, policy: effective } = combined(policy, `${file}\nenv.GOOD = 1\n`);
    expect(JSON.stringify(problems)).toMatch(message);
    expect(effective.memoryLimitBytes).toBe(2 * 1024 ** 3);
    expect(effective.home).toBe('private');
    expect(effective.mounts).toEqual([]);
  });
});

function expectOwnPorts(is: readonly PublishedPorts[], was: readonly PublishedPorts[]): void {
  for (const ports of is) if (!ports.own) expect(was).toContainEqual(ports);
}

describe('publish', () => {
  const publishing = (text: string) => {
    const root = may('publish', 'network = private\npublish = 8080:80 +9\n');
    return userSettings(`publish = ${text}\n`, root, alice);
  };

  test('is for ports of one’s own and those that root has given, at addresses that root has', () => {
    expect(publishing('+0:80 127.0.0.1:+1 8080:80').problems).toEqual([]);
  });

  test.each([
    ['8081:80', 'port 8081 is not yours: write +0 for the first of your own ports'],
    ['8080:81', 'port 8080 is not yours: write +0 for the first of your own ports'],
    ['8080:80/udp', 'port 8080 is not yours: write +0 for the first of your own ports'],
    ['0.0.0.0:+0', '0.0.0.0 is not an address that you may publish at'],
    ['+0 [::]:+1', ':: is not an address that you may publish at'],
  ])('%s does not count', (text, why) => {
    const { problems, own } = publishing(text);
    expect(problems.map(({ message }) => message)).toEqual([`publish: ${why}`]);
    expect(own.at(-1)?.settings.has('publish')).toBe(false);
  });
});

test('no file of a user’s raises anything above its bound, whatever it says', () => {
  let counted = 0;
  for (let seed = 0; seed < 1500; seed += 1) {
    const random = seeded(seed);
    const pick = (): string => {
      const key = random.pick(policyKeys);
      const text = random.pick(someTexts[key]);
      return `${key} ${random.below(9) === 0 ? '+=' : '='} ${/[;#"']/.test(text) ? JSON.stringify(text) : text}`;
    };
    const lines = (count: number, without: readonly string[] = []): string => {
      const all = new Map(
        Array.from({ length: count }, () => pick()).map((line) => [line.split(' ')[0] ?? '', line]),
      );
      for (const key of without) all.delete(key);
      return [...all.values()].map((line) => line.replace('+=', '=')).join('\n');
    };
    const settable = policyKeys.filter((key) => describePolicyKey(key).user !== undefined);
    const named = settable.filter(() => random.below(2) === 0).join(' ') || 'none';
    const root = `[defaults]\nimage = host\nuser_may_set = ${named}\nimages_allowed = lab/*\n[user:alice]\n${lines(6, ['image', 'user_may_set', 'images_allowed'])}\n`;
    const policy = policyOf(root);
    const before = evaluate(policy, alice);
    if (before.kind !== 'ok') continue;
    const file = Array.from({ length: 1 + random.below(12) }, pick).join('\n');
    const { own } = userSettings(file, policy, alice);
    const after = evaluate(policy, alice, own);
    if (after.kind !== 'ok') continue; // own-settings.ts goes on without the file then
    for (const key of policyKeys) {
      const [was, is] = [valueIn(before.policy, key), valueIn(after.policy, key)];
      if (JSON.stringify(was) === JSON.stringify(is) && was === is) continue;
      const { user } = describePolicyKey(key);
      const changed = !Object.is(JSON.stringify(was), JSON.stringify(is));
      if (!changed) continue;
      counted += 1;
      expect(named.split(' '), `seed ${seed}: ${key}\n${root}\n${file}`).toContain(key);
      const amount = (value: unknown): number =>
        typeof value === 'number' ? value : Number.POSITIVE_INFINITY;
      if (user === 'most') expect(amount(is), `seed ${seed}: ${key}`).toBeLessThanOrEqual(amount(was));
      if (user === 'least') expect(amount(is), `seed ${seed}: ${key}`).toBeGreaterThanOrEqual(amount(was));
      if (user === 'ports') expectOwnPorts(is as PublishedPorts[], was as PublishedPorts[]);
      if (user === 'images') expect(is).toMatch(/^lab\//);
    }
  }
  expect(counted).toBeGreaterThan(500);
}, 60_000);
