// Everything that a hostile user tries from inside, in each kind of sandbox, as each of those who they can become
// there. An attack that could not even be made has failed.

import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Attack, type AttackAnswer, places } from '../../src/cli/doctor/attack.ts';
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
  for (const place of places) answers.push(...(await sandboxes.attack(place, 'all')));
});
afterAll(async () => {
  await sandboxes?.[Symbol.asyncDispose]();
});

describe('who is inside', () => {
  it.each(attacks)('$name: tries to $tries; $must', ({ name, places: where }) => {
    const found = answers.filter((answer) => answer.name === name);
    expect(found.map(({ place }) => place)).toEqual(where);
    expect(found.filter(({ result }) => result !== 'held')).toEqual([]);
  });
});
