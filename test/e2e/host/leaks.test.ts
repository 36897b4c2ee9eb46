// Five hundred logins of several kinds, warm and cold: afterwards everything is as before.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { descriptorsOf } from '../../fixtures/kernel/descriptors.ts';
import { added } from '../../fixtures/leaks.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, waitUntil } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld();

type Round = () => Promise<Finished>;

/** Runs all rounds, some at a time; each must exit with 3. */
async function runAll(rounds: Round[], atOnce: number): Promise<void> {
  const queue = rounds.values();
  const failures: string[] = [];
  const worker = async () => {
    for (const round of queue) {
      const result = await round();
      if (result.code !== 3) failures.push(describeFinished(result));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  expect(failures).toEqual([]);
}

async function settled(check: () => unknown): Promise<void> {
  let last: unknown;
  await waitUntil(
    () => {
      last = check();
      return Object.keys(last as object).length === 0;
    },
    'everything to be as before',
    30_000,
    () => JSON.stringify(last, undefined, 2),
  );
}

function repeat(count: number, round: Round): Round[] {
  return Array.from({ length: count }, () => round);
}

/** Sessions over one connection need no key exchange each, so there can be many of them. */
function muxed(login: Login, socket: string, options: string[] = []): Round {
  return async () =>
    await login.ssh('head -c 1000 /dev/zero; exit 3', {
      options: ['-S', socket, '-o', 'ControlMaster=no', ...options],
    });
}

it.skipIf(control)('500 rounds of login and logout leak nothing', async () => {
  const { host } = world();
  const logins = modes.map((mode) => world().login(mode));
  const [first, second] = logins;
  if (first === undefined || second === undefined) throw new Error('two modes');
  await using masters = new AsyncDisposableStack();
  const warm: Round[] = [];
  for (const login of logins) {
    const socket = join(host.folder, `leaks-${login.mode}`);
    const master = masters.use(login.start(undefined, ['-N', '-M', '-S', socket]));
    await waitUntil(
      async () =>
        master.exited || (await login.ssh(undefined, { options: ['-S', socket, '-O', 'check'] })).code === 0,
      'the master connection',
    );
    warm.push(
      ...repeat(100, muxed(login, socket)),
      ...repeat(60, muxed(login, socket, ['-tt'])),
      // Killed in the middle of it: the exit status is the client's, so it is made to be 3.
      ...repeat(
        15,
        async () =>
          await login.script(`timeout -s KILL 0.3 $SSH -S ${socket} -tt "$HOST" 'sleep 100'; exit 3`),
      ),
      ...repeat(25, async () => await login.ssh('exit 3')),
    );
  }
  warm.push(...repeat(60, async () => await first.direct(['-c', 'exit 3'])));

  const terminalsInside = async () =>
    await Promise.all(logins.map(async (login) => (await login.ssh('ls /dev/pts')).stdout.toString()));
  const checks = async () => {
    // The first rounds load what is loaded once (code, name service, caches).
    await runAll(
      warm.filter((_round, index) => index % 20 === 0),
      4,
    );
    await settled(() => sessionProcesses());
    const before = host.resources();
    const terminalsBefore = await terminalsInside();
    await runAll(warm, 8);
    await settled(() => added(before, host.resources()));
    expect(await terminalsInside()).toEqual(terminalsBefore);
  };
  const sessionProcesses = () => host.processes().filter(({ exe }) => exe === 'dockersh' || exe === 'sleep');
  await checks();

  // Cold ones: each starts a sandbox and ends it.
  await host.setPolicy({ defaults: { image: 'host', linger: '0' } });
  for (const login of logins) await host.ctlOk('stop', login.user.name);
  const cold = (login: Login): Round[] => repeat(20, async () => await login.direct(['-c', 'exit 3']));
  const nothingRuns = async () => {
    await waitUntil(async () => (await host.sandboxes()).length === 0, 'all sandboxes to end');
  };
  await runAll([...cold(first).slice(0, 4), ...cold(second).slice(0, 4)], 2);
  await nothingRuns();
  await descriptorsOf(host); // with as many waiting supervisors as there will ever be
  const before = host.resources();
  await runAll([...cold(first), ...cold(second)], 2);
  await nothingRuns();
  await settled(() => added(before, host.resources()));
});
