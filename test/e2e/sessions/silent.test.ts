// Kept sessions whose connection is dead without a word, as of a laptop that has left its network: the next login finds them, and
// nothing of that is noticed by whoever is there.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import type { World } from '../../fixtures/world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const defaults = { image: 'host', on_hangup: 'keep', stop_grace: '1s', hangup_grace: '1s' };
const question = /Session (\d+), whose connection does not answer, is still there. Go back to it\? \[Y\/n\] /;

interface Kept {
  readonly number: number;
  readonly leftAt: string | null;
  readonly viewers: readonly unknown[];
}

describe.skipIf(control)('a kept session whose line is dead', () => {
  const everything = new AsyncDisposableStack();
  let internet: Internet;
  let world: World;

  beforeAll(async () => {
    internet = everything.use(await Internet.create());
    const { v4, v6 } = addresses.host;
    world = everything.use(
      await internet.world({
        policy: { defaults },
        sshdLines: [`ListenAddress ${v4}`, `ListenAddress ${v6}`],
      }),
    );
  });
  afterAll(async () => {
    await everything.disposeAsync();
  });

  async function userWith(reattach: string): Promise<Login> {
    await world.host.setPolicy({ defaults: { ...defaults, reattach } });
    return await world.addLogin('shell', {});
  }

  /** From beyond the uplink, at a shell that has its name. */
  async function far(login: Login, address: string, name: string): Promise<Terminal> {
    const args = ['-F', login.configFile, '-o', `HostName=${address}`, login.target];
    const terminal = new Terminal(...internet.internet.command('ssh', args), { columns: 70, rows: 20 });
    await terminal.prompt();
    await terminal.command(`who=${name}`);
    return terminal;
  }
  const near = (login: Login): Terminal => login.terminal(undefined, { ssh: [], columns: 90, rows: 30 });

  async function keptOf(login: Login): Promise<Kept[]> {
    const result = await login.ssh('@sessions --json');
    return (JSON.parse(result.stdout.toString()) as { kept: Kept[] }).kept;
  }

  /** Of sshd's connections, the most that one of them has. */
  async function unacknowledged(): Promise<number> {
    const connections = await internet.host.ok(
      'ss',
      '-Htn',
      'state',
      'established',
      'src',
      addresses.host.v4,
    );
    return Math.max(0, ...connections.split('\n').map((line) => Number(line.split(/\s+/)[1] ?? 0)));
  }

  async function expectBack(terminal: Terminal, login: Login): Promise<void> {
    await terminal.shownAnew();
    expect((await terminal.command('echo "<$who>"; stty size')).output).toBe('<far>\n30 90\n');
    // Whoever was there has left it: it has the window of the one who is there.
    expect(await keptOf(login)).toMatchObject([{ leftAt: null, viewers: [{ looks: 'attach' }] }]);
  }

  it.each([addresses.host.v4, addresses.host.v6])(
    'is what the next login is asked about (%s)',
    async (address) => {
      const login = await userWith('ask');
      await using _far = await far(login, address, 'far');
      await internet.withoutPackets(async () => {
        await using terminal = near(login);
        await terminal.expect(question);
        terminal.send('\r');
        await expectBack(terminal, login);
      });
    },
  );

  it('is what the next login goes back to, or reads of, where the policy says so', async () => {
    const login = await userWith('no');
    await using _far = await far(login, addresses.host.v4, 'far');
    await internet.withoutPackets(async () => {
      await using told = near(login);
      await told.expect(
        /still there: session \d+, whose connection does not answer\. "ssh -t HOST @attach \d+" leads back/,
      );
      await told.prompt();
      told.send('exit\r');
      await told.exited();
      await world.host.setPolicy({ defaults: { ...defaults, reattach: 'yes' } });
      await using terminal = near(login);
      await expectBack(terminal, login);
    });
  });

  it('is what "@attach" means, though another session has somebody at it', async () => {
    const login = await userWith('ask');
    await using here = near(login);
    await here.prompt();
    await using _far = await far(login, addresses.host.v4, 'far');
    await internet.withoutPackets(async () => {
      await using terminal = login.terminal('@attach', { columns: 90, rows: 30 });
      await terminal.shownAnew();
      expect((await terminal.command('echo "<$who>"')).output).toBe('<far>\n');
      expect((await here.command('echo here')).output).toBe('here\n');
    });
  });

  it('is not one at which somebody is, who sees nothing of the question', async () => {
    const login = await userWith('ask');
    await using there = await far(login, addresses.host.v4, 'far');
    const before = there.text.length;
    await using terminal = near(login);
    await terminal.prompt();
    expect(terminal.text).not.toContain('Go back');
    expect((await terminal.command('echo "<$who>"')).output).toBe('<>\n');
    expect(there.text.slice(before)).toMatch(/^\0*$/);
    expect((await there.command('echo "<$who>"')).output.replaceAll('\0', '')).toBe('<far>\n');
    expect(await keptOf(login)).toHaveLength(2);
  });

  it('is not one whose client only does not read what there is', async () => {
    const login = await userWith('ask');
    await using busy = await far(login, addresses.host.v4, 'far');
    busy.send('yes\r');
    await busy.expect(/y\r\ny/);
    busy.pty.kill('SIGSTOP');
    try {
      await waitUntil(async () => (await unacknowledged()) > 100_000, 'its connection to be full');
      await using terminal = near(login);
      await terminal.prompt();
      expect(terminal.text).not.toContain('Go back');
    } finally {
      busy.pty.kill('SIGCONT');
    }
  });
});
