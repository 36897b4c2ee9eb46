// Keepers, which record as well, screens, clients and the daemon killed at random moments: no session is lost, no recording lacks
// more than the last second before a keeper was killed, and no login that anybody has had is missing in the audit trail.
// DOCKERSH_KILLS says how many moments.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../fixtures/host.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { runOk, waitUntil } from '../../fixtures/process.ts';
import type { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const kills = Number(process.env['DOCKERSH_KILLS'] ?? 12);
/** Of the session that is recorded: fifty a second, or fewer. */
const lineSeconds = 0.02;
/** What a recorder may take with it is a second of them, and what a machine that is busy is late with writing. */
const mostLost = 100;
const world = useWorld({
  modes: ['shell'],
  policy: { defaults: { image: 'host', on_hangup: 'keep', record: 'yes' } },
});

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

/** The numbers of the lines that a recording has, in their order; it can be read while it grows. */
async function recordedLines(host: Host, id: string): Promise<number[]> {
  const ctl = [ctlBundle, '--socket', join(host.runFolder, 'admin.sock')];
  const cast = await runOk(nodeProgram, [...ctl, 'recordings', 'export', id]);
  const text = cast
    .split('\n')
    .slice(1, -1)
    .map((line) => JSON.parse(line) as [number, string, string])
    .map(([, kind, shown]) => (kind === 'o' ? shown : ''))
    .join('');
  return [...text.matchAll(/line (\d+)\r\n/g)].map(([, number]) => Number(number));
}

/** Logs in again and again until it is over; the words of those that have been heard. */
async function logInUntil(login: Login, isOver: () => boolean): Promise<string[]> {
  const heard: string[] = [];
  for (let index = 0; !isOver(); index += 1) {
    const word = `said-${index}`;
    const result = await login.ssh(`echo ${word}`);
    if (result.stdout.toString().includes(word)) heard.push(word);
  }
  return heard;
}

interface Killed {
  keepers: number;
  screens: number;
  clients: number;
  daemons: number;
}

/** One of the ways, at a moment of its own. */
async function killSome(login: Login, viewer: Terminal, round: number, killed: Killed): Promise<void> {
  await sleep(Math.random() * 900);
  if (round % 3 !== 1) {
    const found = keepers(login);
    kill(found);
    killed.keepers += found.length;
  }
  if (round % 3 !== 0) {
    const found = screens(login);
    kill(found);
    killed.screens += found.length;
  }
  if (round % 5 === 4) {
    await world().host.killDaemon('SIGKILL');
    await world().host.startDaemon();
    killed.daemons += 1;
  }
  if (round % 2 === 1) {
    await sleep(Math.random() * 200);
    viewer.pty.kill('SIGKILL');
    killed.clients += 1;
  }
}

describe.skipIf(control)('killed at random moments', () => {
  it('loses no session, and what was written down of it', { timeout: 90_000 + kills * 8_000 }, async () => {
    const { host } = world();
    const login = await world().addLogin('shell', {});
    const visitor = await world().addLogin('shell', {});
    const killed: Killed = { keepers: 0, screens: 0, clients: 0, daemons: 0 };
    await using first = login.terminal(undefined, { ssh: [] });
    await first.prompt();
    first.send(`for i in $(seq 1000000); do echo line $i; sleep ${lineSeconds}; done\r`);
    await first.expect(/line 3\r/);
    const [session] = (await host.sandboxOf(login.user))?.sessions ?? [];
    if (session === undefined) throw new Error('it has no session');
    let isOver = false;
    const visits = logInUntil(visitor, () => isOver);
    for (let round = 0; round < kills; round += 1) {
      await using viewer = login.terminal('@attach');
      await killSome(login, viewer, round, killed);
      // Whoever was there when it was killed sees how it goes on.
      const [, seen] = await first.expect(/line (\d+)\r/);
      await first.expect(new RegExp(`line ${Number(seen) + 40}\\r`));
      viewer.pty.kill('SIGKILL');
      if (round % 10 === 5) expect((await recordedLines(host, session.id)).length).toBeGreaterThan(0);
    }
    isOver = true;
    const heard = await visits;
    first.pty.kill('SIGKILL');
    await sleep(300);
    await using last = login.terminal('@attach');
    await last.expect(/line \d+\r/);
    await last.interrupt();
    last.send('exit 7\r');
    expect(await last.exited()).toMatchObject({ code: 7 });
    await waitUntil(() => keepers(login).length === 0, 'the end of keepers');
    expect(killed.daemons).toBe(Math.floor(kills / 5));
    expect(killed.keepers).toBeGreaterThanOrEqual(Math.floor(kills / 3));

    // The recording: gaps only where a keeper was killed, and none longer than its last second.
    const lines = await recordedLines(host, session.id);
    const gaps = lines.slice(1).map((line, index) => line - (lines[index] ?? 0) - 1);
    expect(gaps.filter((gap) => gap < 0 || gap > mostLost)).toEqual([]);
    expect(gaps.filter((gap) => gap > 0).length).toBeLessThanOrEqual(killed.keepers);
    const shown = [...last.text.matchAll(/line (\d+)\r/g)].map(([, number]) => Number(number));
    expect(lines.at(-1)).toBe(Math.max(...shown));

    const files = readdirSync(join(host.auditFolder, 'recordings'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => !/^\d+-\w+(\/(\.next|[\dTZ]+-\w+\.cast\.zst))?$/.test(name))).toEqual([]);

    // The audit trail.
    const trail = readFileSync(join(host.auditFolder, 'audit.jsonl'), 'utf8');
    expect(heard.length).toBeGreaterThan(kills / 4);
    expect(heard.filter((word) => !trail.includes(`"echo ${word}"`))).toEqual([]);
    expect(await host.ctlOk('audit', 'verify')).toMatchObject({ firstSeq: 1 });
    if (process.env['DOCKERSH_KILLS'] === undefined) return;
    const lost = gaps.reduce((sum, gap) => sum + gap, 0);
    console.log({ ...killed, lines: lines.length, lost, longest: Math.max(...gaps), logins: heard.length });
  });

  it('shows a session that is attached to just then', { timeout: 60_000 + kills * 6_000 }, async () => {
    const login = await world().addLogin('shell', {});
    await using first = login.terminal(undefined, { ssh: [] });
    await first.prompt();
    first.send(`for i in $(seq 1000000); do echo line $i; sleep ${lineSeconds}; done\r`);
    await first.expect(/line 3\r/);
    // From before the login has come until all has been shown.
    for (let round = 0; round < kills; round += 1) {
      await using viewer = login.terminal('@attach');
      await sleep(50 + (round * 450) / kills);
      kill(keepers(login));
      if (round % 2 === 1) kill(screens(login));
      const [, seen] = await viewer.expect(/line (\d+)\r/);
      await viewer.expect(new RegExp(`line ${Number(seen) + 20}\\r`));
      viewer.pty.kill('SIGKILL');
    }
    await first.interrupt();
    expect((await first.command('echo still')).output).toBe('still\n');
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
