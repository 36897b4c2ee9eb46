// Keepers, screens and the daemon killed at random moments: no session is lost, and none shows anything twice or not at all
// but what its keeper had in its hands. DOCKERSH_KILLS says how many moments.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const kills = Number(process.env['DOCKERSH_KILLS'] ?? 12);
const world = useWorld({ modes: ['shell'], policy: { defaults: { image: 'host', on_hangup: 'keep' } } });

/** Of the user's sandbox, by what the kernel calls them or how they were started. */
function processesOf({ user }: Login, isOne: (comm: string, command: string) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1');
        return isOne(read('comm'), read('cmdline')) && read('cgroup').includes(user.name);
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

const keepers = (login: Login): number[] => processesOf(login, (comm) => comm === 'dockersh-keeper\n');
const screens = (login: Login): number[] => processesOf(login, (_, line) => line.includes('/proc/self/fd/3'));

function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
}

describe.skipIf(control)('killed at random moments', () => {
  it('loses no session', { timeout: 60_000 + kills * 6_000 }, async () => {
    const login = await world().addLogin('shell', {});
    await using first = login.terminal(undefined, { ssh: [] });
    await first.prompt();
    first.send('for i in $(seq 1000000); do echo line $i; sleep 0.02; done\r');
    await first.expect(/line 3/);
    let daemons = 0;
    for (let round = 0; round < kills; round += 1) {
      await using viewer = login.terminal('@attach');
      await sleep(Math.random() * 900);
      if (round % 3 !== 1) kill(keepers(login));
      if (round % 3 !== 0) kill(screens(login));
      if (round % 10 === 9) {
        await world().host.killDaemon();
        await world().host.startDaemon();
        daemons += 1;
      }
      // Whoever was there when it was killed sees how it goes on.
      const [, seen] = await first.expect(/line (\d+)\r/);
      await first.expect(new RegExp(`line ${Number(seen) + 40}\\r`));
      viewer.pty.kill('SIGKILL');
    }
    first.pty.kill('SIGKILL');
    await sleep(300);
    await using last = login.terminal('@attach');
    await last.expect(/line \d+\r/);
    last.send('\x03');
    await last.expect(/dsh->/);
    last.send('exit 7\r');
    expect(await last.exited()).toMatchObject({ code: 7 });
    await waitUntil(() => keepers(login).length === 0, 'the end of keepers');
    expect(daemons).toBe(Math.floor(kills / 10));
  });

  it('a viewer that reads nothing holds up itself alone, while another one reads', async () => {
    const login = await world().addLogin('shell', {});
    await using reader = login.terminal(undefined, { ssh: [] });
    await reader.prompt();
    await using stopped = login.terminal('@attach');
    await stopped.expect(/dsh->/);
    process.kill(stopped.pty.pid, 'SIGSTOP');
    try {
      reader.send('seq 1 200000; echo "al"l\r');
      await waitUntil(() => /\n200000\r*\nall\r*\n/.test(reader.text.slice(-200)), 'all to be shown');
      const [pid] = keepers(login);
      const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      expect(Number(kib)).toBeLessThan(16 * 1024);
    } finally {
      process.kill(stopped.pty.pid, 'SIGCONT');
    }
    await waitUntil(() => /200000\r*\n/.test(stopped.text.slice(-5000)), 'it to be shown everything anew');
  });
});
