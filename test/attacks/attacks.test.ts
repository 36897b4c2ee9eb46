// Everything that a hostile user tries from inside, in each kind of sandbox, as each of those who they can become
// there. An attack that could not even be made has failed.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Attack, type AttackAnswer, places } from '../../src/cli/doctor/attack.ts';
import { checkout } from '../fixtures/paths.ts';
import { attackProgram, Sandboxes } from './sandboxes.ts';

// What the tests are called must be known before one runs.
const attacks = execFileSync(attackProgram, ['list'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Attack);

let sandboxes: Sandboxes;
const answers: AttackAnswer[] = [];
beforeAll(async () => {
  sandboxes = await Sandboxes.create();
  await sandboxes.addCounterparts();
  for (const place of places) answers.push(...(await sandboxes.attack(place, 'all')));
});
afterAll(async () => {
  await sandboxes?.[Symbol.asyncDispose]();
});

it('SECURITY.md names no attack that is not made', () => {
  const text = readFileSync(join(checkout, 'SECURITY.md'), 'utf8');
  const section = text.split('\n### What is tried from inside\n')[1]?.split('\n## ')[0] ?? '';
  const cells = section.split('\n').filter((line) => line.startsWith('| '));
  const named = cells.flatMap((line) =>
    [...line.matchAll(/`([A-Za-z][\w-]*[a-zA-Z0-9_])`/g)].map(([, name]) => name),
  );
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((name) => !attacks.some((attack) => attack.name === name))).toEqual([]);
});

describe('dockershctl doctor --attack', () => {
  it.each(['plain', 'root', 'nesting', 'both'] as const)('finds that everything held (%s)', async (kind) => {
    const { code, report } = await sandboxes.doctor(kind);
    expect(report.attacks.filter(({ result }) => result !== 'held')).toEqual([]);
    expect(code).toBe(0);
    const harmless = attacks.filter(({ harm, needs }) => harm === 'none' && needs === '');
    const places = kind === 'plain' || kind === 'root' ? ['user'] : ['user', 'nested'];
    for (const place of places) {
      const made = report.attacks.filter((attack) => attack.place === `${kind}:${place}`);
      const meant = harmless.filter((attack) => attack.places.some((one) => one === `${kind}:${place}`));
      expect(made.map(({ name }) => name)).toEqual(meant.map(({ name }) => name));
    }
  });

  it('says what is wrong with how it was called', async () => {
    const { host } = sandboxes;
    const unknown = await host.ctl('doctor', '--attack', sandboxes.user('plain').name, '--ignore', 'nothing');
    expect([unknown.code, unknown.stderr.toString()]).toEqual([
      64,
      expect.stringContaining('no such attack'),
    ]);
    const nobody = await host.ctl('doctor', '--attack', 'dsh-nobody');
    expect(nobody.code).not.toBe(0);
    expect(nobody.stdout.toString()).toBe('');
  });
});

it('a number of the host that a process inside has too is not what is attacked', async () => {
  const others = sandboxes.argument('other-process').split(',');
  const numbers = [['1'], ['1', ...others]].map(String);
  const results = [];
  for (const number of numbers) {
    const answers = await sandboxes.attack('plain:user', ['other-process'], { 'other-process': number });
    results.push(...answers.map(({ result }) => result));
  }
  expect(results).toEqual(['unattempted', 'held']);
});

describe('who is inside', () => {
  it.each(attacks)('$name: tries to $tries; $must', ({ name, places: where }) => {
    const found = answers.filter((answer) => answer.name === name);
    expect(found.map(({ place }) => place)).toEqual(where);
    expect(found.filter(({ result }) => result !== 'held')).toEqual([]);
  });
});
