// A full disk under recordings: what is shown waits for room, or goes on without being recorded and says so, as the policy has
// it; nothing from before is lost, and nobody else notices.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, runOk, waitUntil } from '../../fixtures/process.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import type { Terminal } from '../../fixtures/terminal.ts';
import { World } from '../../fixtures/world.ts';

const countTo = 'for i in $(seq 1000000); do echo line $i; sleep 0.02; done\r';

const ctlOf = ({ runFolder }: Host): string[] => [ctlBundle, '--socket', join(runFolder, 'admin.sock')];

/** Sessions that stand still. */
async function waitingOf(host: Host): Promise<string[]> {
  const { recordings } = (await host.ctlOk('recordings', 'ls')) as {
    recordings: { id: string; waits: boolean }[];
  };
  return recordings.filter(({ waits }) => waits).map(({ id }) => id);
}

async function linesRecorded(host: Host, id: string): Promise<number[]> {
  const cast = await runOk(nodeProgram, [...ctlOf(host), 'recordings', 'export', id]);
  const events = cast.split('\n').slice(1, -1);
  const text = events.map((line) => (JSON.parse(line) as [number, string, string])[2]).join('');
  return [...text.matchAll(/line (\d+)\r\n/g)].map(([, number]) => Number(number));
}

const lastLine = ({ text }: Terminal): number =>
  Number([...text.matchAll(/line (\d+)\r/g)].at(-1)?.[1] ?? Number.NaN);

const countedTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe.skipIf(control)('the disk for recordings is full', () => {
  it('record = required: the session stands still until there is room, and no other begins', async () => {
    await using disk = await SmallDisk.mount();
    await using world = await World.create({ modes: ['shell'], auditFolder: disk.mountPoint });
    const login = world.login('shell');
    const other = await world.addLogin('shell');
    const { host } = login;
    await host.setPolicy({
      defaults: { image: 'host', linger: '10m' },
      users: { [login.user.name]: { record: 'required' } },
    });
    await using unrecorded = other.terminal();
    await unrecorded.prompt();
    await using session = login.terminal();
    await session.prompt();
    const [{ id } = { id: '' }] = (await host.sandboxOf(login.user))?.sessions ?? [];
    session.send(countTo);
    await session.expect(/line 100\r/);
    await sleep(1500); // what is shown is in the file a second later
    await disk.fill();
    await session.expect(/There is no room to record this session: it stands still until there is\./);
    const stood = lastLine(session);
    await sleep(1500);
    expect(lastLine(session) - stood).toBeLessThan(10); // what was on its way
    // No other begins; who is not recorded, and what has no terminal, notices nothing.
    await using refused = login.terminal();
    await refused.expect(/at present there is no room/);
    expect((await refused.exited()).code).toBe(125);
    expect((await login.ssh('echo fine')).stdout.toString()).toBe('fine\n');
    expect((await unrecorded.command('echo as ever')).output).toBe('as ever\n');
    await using another = other.terminal();
    await another.prompt();
    // Root reads who stands still, who was refused and why, and all that there was before.
    expect(host.logTail()).toContain('E_UNRECORDED');
    expect(host.logTail()).toContain('session stands still');
    expect(await waitingOf(host)).toEqual([id]);
    const metrics = ['-sS', '--fail', '--unix-socket', join(host.runFolder, 'metrics.sock')];
    const scrape = async (): Promise<string> => await runOk('curl', [...metrics, 'http://localhost/metrics']);
    expect(await scrape()).toMatch(/^dockersh_sessions_without_room 1$/m);
    expect(await runOk(nodeProgram, [...ctlOf(host), 'recordings'])).toContain(
      'There is no room for 1 of them',
    );
    await host.killDaemon('SIGKILL'); // the next one knows it from the supervisor
    await host.startDaemon();
    expect(await waitingOf(host)).toEqual([id]);
    expect((await linesRecorded(host, id)).slice(0, 100)).toEqual(countedTo(100));
    await disk.makeRoom();
    await session.expect(/There is room again, and this session goes on\./);
    await waitUntil(() => lastLine(session) >= stood + 100, 'it to count on');
    await waitUntil(async () => (await waitingOf(host)).length === 0, 'nobody to wait');
    expect(await scrape()).toMatch(/^dockersh_sessions_without_room 0$/m);
    await session.interrupt();
    const end = lastLine(session);
    session.send('exit 3\r');
    expect(await session.exited()).toMatchObject({ code: 3 });
    await expect.poll(async () => (await linesRecorded(host, id)).at(-1), { timeout: 10_000 }).toBe(end);
    expect(await linesRecorded(host, id)).toEqual(countedTo(end));
    await using allowed = login.terminal();
    await allowed.prompt();
  });

  it('record = yes: the session goes on without, says so, and what was recorded stays', async () => {
    await using disk = await SmallDisk.mount();
    await using world = await World.create({
      modes: ['shell'],
      auditFolder: disk.mountPoint,
      policy: { defaults: { image: 'host', linger: '10m', record: 'yes' } },
    });
    const login = world.login('shell');
    const { host } = login;
    await using session = login.terminal();
    await session.prompt();
    const [{ id } = { id: '' }] = (await host.sandboxOf(login.user))?.sessions ?? [];
    session.send(countTo);
    await session.expect(/line 100\r/);
    await sleep(1500); // what is shown is in the file a second later
    await disk.fill();
    await session.expect(/This session is not recorded any more: there is no room for it\./);
    const told = lastLine(session);
    await waitUntil(() => lastLine(session) >= told + 100, 'it to count on');
    await session.interrupt();
    await using next = login.terminal();
    await next.expect(/This session is not recorded: there is no room for it\./);
    await next.prompt();
    await disk.makeRoom();
    session.send('exit 4\r');
    expect(await session.exited()).toMatchObject({ code: 4 });
    const lines = await linesRecorded(host, id);
    expect(lines).toEqual(countedTo(lines.length));
    // It was full at most a second before it was noticed.
    expect(lines.length).toBeGreaterThanOrEqual(100);
    const exported = await host.ctl('recordings', 'ls', '--user', login.user.name);
    expect(exported.code, describeFinished(exported)).toBe(0);
  });
});
