// Attacks on terminals that are kept and recorded: typing where one may only look, which succeeds without the defence
// (native/test/without.h), and wearing down the process that holds them.

import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keepersOf } from '../fixtures/keepers.ts';
import { ctlBundle, nodeProgram } from '../fixtures/paths.ts';
import { waitUntil } from '../fixtures/process.ts';
import { World } from '../fixtures/world.ts';
import { buildWithout } from './without.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-without-'));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Whether what is typed by who only looks reaches the session. */
async function typesByPeek(libexec?: string): Promise<boolean> {
  const policy = { defaults: { image: 'host', on_hangup: 'keep' } };
  await using world = await World.create({
    modes: ['shell'],
    policy,
    ...(libexec === undefined ? {} : { libexec }),
  });
  const login = world.login('shell');
  await using session = login.terminal();
  await session.prompt();
  await using peek = login.terminal('@attach peek');
  await waitUntil(() => peek.text.includes('dsh->'), 'what a look shows');
  peek.send('echo "typed"-by-a-look\r');
  await sleep(2000);
  return session.text.includes('typed-by-a-look');
}

it('who only looks types nothing', async () => {
  expect(await typesByPeek()).toBe(false);
});

it('without "peek", who only looks types', { timeout: 240_000 }, async () => {
  expect(await typesByPeek(await buildWithout('peek', folder))).toBe(true);
});

/** All processors, all memory again and again, and as many processes as there may be, for some seconds. */
const wearDown = `
for i in 1 2 3 4 5 6; do timeout 15 sh -c 'while :; do :; done' & done
for i in 1 2 3 4; do head -c 1G /dev/zero | tail; done
for i in $(seq 400); do sleep 5 & done 2>/dev/null
wait`;

it('no load inside ends the keeper, or keeps anything out of the recording', {
  timeout: 180_000,
}, async () => {
  await using world = await World.create({
    modes: ['shell'],
    policy: { defaults: { image: 'host', record: 'required', memory: '256M', pids: '120', linger: '1h' } },
  });
  const login = world.login('shell');
  const { host, user } = login;
  await using session = login.terminal();
  await session.prompt();
  await waitUntil(() => keepersOf(user.name).length === 1, 'its keeper');
  const before = keepersOf(user.name);
  const [{ id } = { id: '' }] = (await host.sandboxOf(user))?.sessions ?? [];
  const load = login.ssh(wearDown);
  session.send('seq 1 300000; echo "al"l\r');
  for (let turn = 0; turn < 100; turn += 1) {
    session.resize(2 + ((turn * 37) % 300), 2 + ((turn * 13) % 200));
    await sleep(20);
  }
  await session.expect(/all\r/, 120_000);
  await load;
  expect(keepersOf(user.name)).toEqual(before);
  expect((await session.command('echo still')).output).toBe('still\n');
  session.send('exit 6\r');
  expect(await session.exited()).toMatchObject({ code: 6 });
  await waitUntil(() => keepersOf(user.name).length === 0, 'the end of its keeper');
  const ctl = [ctlBundle, '--socket', join(host.runFolder, 'admin.sock'), 'recordings', 'export', id];
  const cast = execFileSync(nodeProgram, ctl, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const shown = cast
    .split('\n')
    .slice(1, -1)
    .map((line) => JSON.parse(line) as [number, string, string])
    .map(([, kind, text]) => (kind === 'o' ? text : ''))
    .join('');
  const numbers = [...shown.matchAll(/(\d+)\r\n/g)].map(([, number]) => Number(number));
  const first = numbers.indexOf(1);
  expect(numbers.slice(first, first + 300_000)).toEqual(
    Array.from({ length: 300_000 }, (_, index) => index + 1),
  );
});
