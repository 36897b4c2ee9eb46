// Sessions that go on when their connection ends, and the ways back to them, by the real ssh.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const keeping = { image: 'host', on_hangup: 'keep', stop_grace: '1s', hangup_grace: '1s' };

async function userWith(settings: PolicySection = {}): Promise<Login> {
  const login = await world().addLogin('shell', {});
  await world().host.setPolicy({ defaults: keeping, users: { [login.user.name]: settings } });
  return login;
}

interface Kept {
  readonly number: number;
  readonly leftAt: string | null;
}

async function keptOf(login: Login): Promise<Kept[]> {
  const result = await login.ssh('@sessions --json');
  expect(result.code, describeFinished(result)).toBe(0);
  return (JSON.parse(result.stdout.toString()) as { kept: Kept[] }).kept;
}

const left = async (login: Login, count = 1): Promise<void> =>
  await waitUntil(
    async () => (await keptOf(login)).filter(({ leftAt }) => leftAt !== null).length === count,
    `${count} sessions to be left`,
  );

/** Somebody at a shell whose connection is cut. */
async function leave(login: Login, line: string): Promise<void> {
  await using terminal = login.terminal();
  await terminal.prompt();
  await terminal.command(line);
  terminal.pty.kill('SIGKILL');
}

describe.skipIf(control)('a kept session', () => {
  it('goes on when its connection is cut, and is the same when it is attached to', async () => {
    const login = await userWith();
    await leave(login, 'kept=here-$$');
    await left(login);
    await using back = login.terminal('@attach');
    await back.expect(/dsh->/);
    expect((await back.command('echo $kept is $$')).output).toMatch(/^here-(\d+) is \1\n$/);
    back.send('exit 7\r');
    expect(await back.exited()).toMatchObject({ code: 7 });
    expect(await keptOf(login)).toEqual([]);
  });

  it('is gone back to by a plain login, where its user says yes, or the policy', async () => {
    const login = await userWith();
    await leave(login, 'kept=asked');
    await left(login);
    await using asked = login.terminal(undefined, { ssh: [] });
    await asked.expect(/Go back to it\? \[Y\/n\] /);
    asked.send('\r');
    await asked.expect(/dsh->/);
    expect((await asked.command('echo $kept')).output).toBe('asked\n');
    asked.pty.kill('SIGKILL');
    await left(login);
    await using other = login.terminal(undefined, { ssh: [] });
    await other.expect(/Go back to it\? \[Y\/n\] /);
    other.send('n\r');
    await other.prompt();
    expect((await other.command('echo "<$kept>"')).output).toBe('<>\n');
    await world().host.setPolicy({ defaults: { ...keeping, reattach: 'yes' } });
    await using at = login.terminal(undefined, { ssh: [] });
    await at.expect(/dsh->/);
    expect((await at.command('echo $kept')).output).toBe('asked\n');
  });
});
