// Sandboxes that run without anybody who logs in: started with the host, and for crontabs.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const out = async (login: Login, command: string): Promise<string> =>
  (await login.ssh(command)).stdout.toString();

/** A host that begins anew: no sandbox is left, and the kernel has another boot id. */
async function reboot(): Promise<void> {
  const { host } = world();
  await host.ctl('stop', '--all');
  await host.killDaemon('SIGTERM');
  await writeFile(join(host.stateFolder, 'boot-id'), '00000000-0000-0000-0000-000000000000');
  await host.startDaemon();
}

describe.skipIf(control)('boot', () => {
  it('starts the sandboxes of those who have it, and of nobody else', async () => {
    const { host } = world();
    const [one, other] = [world().login('shell'), await world().addLogin('shell')];
    const users = { [one.user.name]: { boot: 'yes', linger: 'forever', cron: 'yes' } };
    await host.setPolicy({ defaults: { image: 'host', stop_grace: '0', cron: 'yes' }, users });
    await one.ssh('printf "@reboot echo started >>~/started\\n* * * * * true\\n" >~/.crontab');
    await other.ssh('printf "@reboot echo started >>~/started\\n" >~/.crontab');
    await reboot();
    await waitUntil(async () => (await host.sandboxOf(one.user)) !== undefined, 'the sandbox to be started');
    expect(await host.sandboxOf(other.user)).toBeUndefined();
    await waitUntil(
      async () => (await out(one, 'cat ~/started')) === 'started\n',
      'the @reboot line to have run',
    );
    // A daemon that is restarted is no host that is.
    await host.killDaemon('SIGKILL');
    await host.startDaemon();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await out(one, 'cat ~/started')).toBe('started\n');
  });

  it('is told by "policy check" where it ends at once', async () => {
    const { host } = world();
    const file = join(host.folder, 'draft.ini');
    await writeFile(
      file,
      `[defaults]\nimage = host\n[user:${world().login('shell').user.name}]\nboot = yes\n`,
    );
    const checked = await host.ctl('policy', 'check', file);
    expect(checked.stdout.toString() + checked.stderr.toString()).toMatch(
      /boot = yes starts a sandbox that ends again/,
    );
  });
});

describe.skipIf(control)('cron', () => {
  it('runs jobs inside, also when nobody is logged in, and keeps what they say', async () => {
    const { host } = world();
    const login = await world().addLogin('shell');
    const crontab = [
      'A=from-crontab',
      '* * * * * echo "ran $A as $(id -u)"; cat%input\\%',
      '* * * * * exit 7',
      'nonsense',
      '',
    ].join('\n');
    await host.setPolicy({ defaults: { image: 'host', stop_grace: '0', linger: '1s' } });
    await login.ssh('cat >~/.crontab', { input: crontab });
    await new Promise((resolve) => setTimeout(resolve, 62_000));
    expect(await out(login, 'ls -A ~ | grep cron.log')).toBe(''); // the policy does not have it
    await host.setPolicy({ defaults: { image: 'host', stop_grace: '0', linger: '1s', cron: 'yes' } });
    await login.ssh('true');
    await waitUntil(async () => (await host.sandboxOf(login.user)) === undefined, 'the sandbox to end');
    await waitUntil(
      async () => (await host.sandboxOf(login.user)) !== undefined,
      'a job to start it',
      70_000,
    );
    await waitUntil(
      async () => (await out(login, 'cat ~/.cron.log')).includes('exit status 7'),
      'both jobs to end',
    );
    const log = await out(login, 'cat ~/.cron.log');
    expect(log).toContain(`ran from-crontab as ${login.user.uid}\ninput%\n`);
    const audit = await host.ctlOk('audit', 'ls', '--event', 'cron', '--user', login.user.name);
    expect(JSON.stringify(audit)).toContain('exit 7');
  }, 300_000);

  it('follows no link out, reads no more than there may be, and says which lines are none', async () => {
    const { host } = world();
    const login = await world().addLogin('shell');
    const outside = join(host.folder, 'outside-crontab');
    await writeFile(outside, '* * * * * echo out >~/out\n', { mode: 0o644 });
    await host.setPolicy({ defaults: { image: 'host', stop_grace: '0', linger: '1h', cron: 'yes' } });
    await login.ssh(`ln -s ${outside} ~/.crontab`);
    const other = await world().addLogin('shell');
    expect((await other.ssh('crontab -', { input: 'nonsense\n' })).code).toBe(0);
    expect(await out(other, 'crontab -l')).toBe('nonsense\n');
    await new Promise((resolve) => setTimeout(resolve, 62_000));
    const said = '~/.crontab: line 1 is neither a job nor a variable; it is left out\n';
    expect(await out(other, 'tail -n +2 ~/.cron.log')).toBe(said);
    expect(await out(login, 'cat ~/out ~/.cron.log 2>/dev/null')).toBe('');
    await login.ssh('rm ~/.crontab; { yes "* * * * * echo big >~/big" | head -c 100000; } >~/.crontab');
    await new Promise((resolve) => setTimeout(resolve, 62_000));
    expect(await out(login, 'cat ~/big ~/.cron.log 2>/dev/null')).toBe('');
    await login.ssh('rm ~/.crontab; mkfifo ~/.crontab');
    expect((await login.ssh('true')).code).toBe(0);
  }, 300_000);
});
