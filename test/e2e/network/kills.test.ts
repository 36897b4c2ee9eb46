// Starts and stops private networks two hundred times, with daemon, supervisors and PID 1 killed at random moments: what
// is closed stays closed, and nothing is left of any of them. DOCKERSH_KILL_ROUNDS says how many times, DOCKERSH_KILL_SEED which moments.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { hostState } from '../../fixtures/network/host-state.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';
import { seeded } from '../../unit/lib/seeded.ts';

const rounds = Number(process.env['DOCKERSH_KILL_ROUNDS'] ?? 200);
const seed = Number(process.env['DOCKERSH_KILL_SEED'] ?? Date.now() % 1_000_000);
const users = 8;

const policy = { defaults: { image: 'host', network: 'private', linger: '200ms', stop_grace: '0' } };
const far: Target = { protocol: 'tcp', address: addresses.far.v4 };
const host: Target = { protocol: 'tcp', address: addresses.host.v4 };

/** SIGKILL for one of this test's own processes, if there is one now. */
function killOne(world: World, exe: string, random: () => number): void {
  const all = world.host.processes().filter((one) => one.exe === exe);
  const one = all[Math.floor(random() * all.length)];
  if (one === undefined) return;
  try {
    process.kill(one.pid, 'SIGKILL');
  } catch {
    // ESRCH: it has just ended
  }
}

/** What a user sees of it may be a broken session; never a way to the host. */
async function tryOnce(login: Login): Promise<void> {
  try {
    const [closed] = await probeFrom(login, [host, far], 0.3);
    expect(['open', 'strange']).not.toContain(closed?.result);
  } catch (error) {
    if (error instanceof Error && error.name === 'AssertionError') throw error; // else it was killed meanwhile
  }
}

describe.skipIf(control)('private networks', () => {
  it(`leave nothing, however often they are killed (seed ${seed})`, { timeout: 600_000 }, async () => {
    const { below } = seeded(seed);
    const random = () => below(2 ** 30) / 2 ** 30;
    await using internet = await Internet.create();
    await internet.startPeer(internet.host);
    await using world = await internet.world({ policy });
    const logins: Login[] = [];
    for (let index = 0; index < users; index += 1) logins.push(await world.addLogin('shell'));
    await tryOnce(logins[0] as Login);
    const before = await quiet(internet, world);

    let done = 0;
    let killing = true;
    const killer = async () => {
      while (killing) {
        await sleep(random() * 300);
        const dice = random();
        if (dice < 0.6) killOne(world, 'dockersh-supervisor', random);
        else if (dice < 0.85) killOne(world, 'dockersh-init', random);
        else {
          await world.host.killDaemon('SIGKILL');
          await world.host.startDaemon();
        }
      }
    };
    const user = async (login: Login) => {
      for (; done < rounds; done += 1) await tryOnce(login);
    };
    const killed = killer();
    await Promise.all(logins.map(user)).finally(() => {
      killing = false;
    });
    await killed;

    // One of the supervisors that wait for work may have been killed a moment ago: that start is refused, the next is not.
    await (logins[0] as Login).ssh('true');
    expect(await probeFrom(logins[0] as Login, [far, host])).toMatchObject([
      { result: 'open' },
      { result: 'ECONNREFUSED' },
    ]);
    // With that the latest daemon has taken over the table that the one before it left.
    expect(await quiet(internet, world)).toEqual(before);
  });
});

/** The host when no sandbox is left, without what counts by itself. */
async function quiet(internet: Internet, world: World) {
  await waitUntil(async () => (await world.host.sandboxes()).length === 0, 'the sandboxes to end', 20_000);
  let links = '';
  const gone = async () => {
    links = await internet.host.ok('ip', '-br', 'link');
    return !links.includes('dsh');
  };
  await waitUntil(gone, 'the links to go', 20_000, () => links);
  const { rules, ...rest } = await hostState(internet.host);
  return { ...rest, rules: rules.replaceAll(/packets \d+ bytes \d+|\n\s*elements = \{[^}]*\}/g, '') };
}
