// Words of self-service by ssh: answered by the daemon, for the user's own sandbox alone, and never given to a shell.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { modes, useWorld, World } from '../../fixtures/world.ts';

const world = useWorld();
const plain = { defaults: { image: 'host' } };
const jsonOf = async (login: Login, command: string) => {
  const { code, stdout, stderr } = await login.ssh(`${command} --json`);
  return { code, stderr: stderr.toString(), json: JSON.parse(stdout.toString()) as Record<string, unknown> };
};

describe.skipIf(control || lacks('busybox')).each(modes)('by %s', (mode) => {
  it('says what the user may do, without a sandbox and without a shell', async () => {
    const login = world().login(mode);
    const { host } = world();
    await host.setPolicy(plain);
    const help = await login.ssh('@help');
    expect(help.code).toBe(0);
    expect(help.stdout.toString()).toContain('@status');
    expect(help.stderr.toString()).toBe('');
    expect((await host.sandboxes()).filter(({ uid }) => uid === login.user.uid)).toEqual([]);
    const { json } = await jsonOf(login, '@status');
    expect(json).toMatchObject({ user: login.user.name, running: false, image: 'host', sessions: 0 });
    expect((await login.ssh('echo in; hostname >/dev/null')).stdout.toString()).toBe('in\n');
    const running = await jsonOf(login, '@status');
    expect(running.json).toMatchObject({ running: true, image: 'host', network: expect.any(String) });
    expect((await login.ssh('@status')).stdout.toString()).toMatch(/^sandbox {4}runs/);
  });

  it('goes to a terminal as well', async () => {
    const login = world().login(mode);
    await using terminal = login.terminal('@status');
    expect((await terminal.exited()).code).toBe(0);
    expect(terminal.text).toContain('sandbox');
  });

  it('snapshots, goes back and resets', async () => {
    const login = world().login(mode);
    const { host } = world();
    await host.setPolicy(plain);
    await login.ssh('echo first >/opt/own-file 2>/dev/null || echo first >/var/tmp/own-file');
    const made = await login.ssh('@snapshot first');
    expect([made.code, made.stderr.toString()]).toEqual([0, '']);
    expect(made.stdout.toString()).toContain('first');
    const images = await jsonOf(login, '@images');
    expect(images.json['snapshots']).toMatchObject([{ name: 'first' }]);
    const again = await login.ssh('@snapshot first');
    expect(again.code).toBe(64);
    expect(again.stderr.toString()).toContain('E_USAGE');
    expect(again.stderr.toString()).not.toContain(host.stateFolder);
    const missing = await login.ssh('@rollback second');
    expect([missing.code, missing.stderr.toString()]).toEqual([
      66,
      expect.stringContaining('You have no snapshot "second". Say "@help": it lists what you may do.'),
    ]);
    const back = await login.ssh('@rollback first');
    expect([back.code, back.stdout.toString()]).toEqual([0, expect.stringContaining('as in first')]);
    const asked = await login.ssh('@reset');
    expect([asked.code, asked.stderr.toString()]).toEqual([64, expect.stringContaining('@reset yes')]);
    const reset = await jsonOf(login, '@reset yes');
    expect(reset.code).toBe(0);
    const logged = host.logRecords().filter(({ event }) => event === 'self-service');
    expect(logged.at(-1)).toMatchObject({ command: '@reset yes --json', uid: login.user.uid });
  });

  it('is refused where the policy does not have it, and is an ordinary command where there is none', async () => {
    const login = world().login(mode);
    const { host } = world();
    await host.setPolicy({ defaults: { image: 'host', self_service: 'status' } });
    const refused = await login.ssh('@snapshot');
    expect([refused.code, refused.stderr.toString()]).toEqual([
      77,
      expect.stringContaining('does not let you use @snapshot'),
    ]);
    const { code, json } = await jsonOf(login, '@snapshot');
    expect([code, json]).toEqual([77, { error: expect.objectContaining({ code: 'E_SELF_SERVICE' }) }]);
    expect((await login.ssh('@help')).stdout.toString()).not.toContain('@snapshot');
    await host.setPolicy({ defaults: { image: 'host', self_service: 'none' } });
    const ordinary = await login.ssh('@help');
    expect(ordinary.code).toBe(127);
    expect(ordinary.stderr.toString()).toMatch(/@help: (command )?not found/);
    await host.setPolicy(plain);
  });

  it('is an ordinary command in any other writing', async () => {
    const login = world().login(mode);
    for (const command of [
      '@help ',
      ' @help',
      '"@help"',
      '@help;true',
      '@help\n',
      '@he""lp',
      '@help\n@status',
      '＠help',
    ]) {
      const { stdout, stderr } = await login.ssh(command);
      expect(stdout.toString(), command).toBe('');
      expect(stderr.toString(), command).toMatch(/not found/);
    }
    // A shell of the user's own that shows what it is given sees all of these, and no word.
    const marker = '/var/tmp/seen';
    expect((await login.ssh(`@reset yes; echo shell >${marker}`)).code).toBe(0);
    expect((await login.ssh(`cat ${marker}; rm ${marker}`)).stdout.toString()).toBe('shell\n');
  });

  it('is no subsystem', async () => {
    const login = world().login(mode);
    const result = await login.ssh('@status', { options: ['-s'] });
    expect(result.code).not.toBe(0);
    expect(result.stdout.toString()).toBe('');
  });
});

describe.skipIf(control)('root', () => {
  it('has a command by dockershctl exec run as it stands', async () => {
    const login = world().login('shell');
    await world().host.setPolicy(plain);
    const result = await world().host.ctl('exec', login.user.name, '--', '@status');
    expect(result.code).toBe(127);
  });
});

describe.skipIf(control || lacks('busybox')).each(['shell', 'gateway'] as const)(
  'in a connection that is in the sandbox (%s)',
  (mode) => {
    it('what ends the sandbox is answered before the connection ends, and done by the next login', async () => {
      await using other = await World.create({ modes: [mode], module: true, policy: plain });
      const login = other.login(mode);
      const put = async (word: string) => await login.ssh(`echo ${word} >/var/tmp/own-file`);
      const read = async (): Promise<string> =>
        (await login.ssh('cat /var/tmp/own-file 2>&1')).stdout.toString();
      await put('first');
      expect((await login.ssh('@snapshot first')).code).toBe(0);
      await put('second');
      const back = await login.ssh('@rollback first');
      expect([back.code, back.stdout.toString()]).toEqual([0, expect.stringContaining('is under way.')]);
      expect(await read()).toBe('first\n');
      const undone = await login.ssh('@undo --json');
      expect([undone.code, undone.stdout.toString()]).toEqual([
        0,
        expect.stringContaining('"underWay": true'),
      ]);
      expect(await read()).toBe('second\n');
      expect((await login.ssh('@rollback nothing')).code).toBe(66);
      expect((await login.ssh('@reset yes')).code).toBe(0);
      expect(await read()).toContain('No such file');
    });
  },
);
