// Sandboxes that run without anybody who logs in: started with the host, and for crontabs.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
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
  const crontab = [
    'A=from-crontab',
    '* * * * * echo "ran $A as $(id -u)"; cat%input\\%',
    '* * * * * exit 7',
    'nonsense',
    '',
  ].join('\n');
  const defaults = { image: 'host', stop_grace: '0', linger: '1s' };
  const runs = { cron: 'yes', linger: '1h' };

  /** Crontabs of several users: all wait for the same minute to begin. */
  const made = async () => {
    const { host } = world();
    const login = async (): Promise<Login> => await world().addLogin('shell');
    const [working, without, linked] = [await login(), await login(), await login()];
    const [wrong, large] = [await login(), await login()];
    const users = Object.fromEntries([linked, wrong, large].map(({ user }) => [user.name, runs]));
    await host.setPolicy({ defaults, users });
    for (const one of [working, without]) await one.ssh('cat >~/.crontab', { input: crontab });
    const outside = join(host.folder, 'outside-crontab');
    await writeFile(outside, '* * * * * echo out >~/out\n', { mode: 0o644 });
    await linked.ssh(`ln -s ${outside} ~/.crontab`);
    expect((await wrong.ssh('crontab -', { input: 'nonsense\n' })).code).toBe(0);
    expect(await out(wrong, 'crontab -l')).toBe('nonsense\n');
    await large.ssh('{ yes "* * * * * echo big >~/big" | head -c 100000; } >~/.crontab');
    const brief = world().login('shell');
    const own = { [working.user.name]: { cron: 'yes' }, [brief.user.name]: { cron: 'yes', linger: '0' } };
    await host.setPolicy({ defaults, users: { ...users, ...own } });
    // The daemon has read another one, when the host had started.
    await brief.ssh('echo "* * * * * echo again >~/again" >~/.crontab');
    return { working, without, linked, wrong, large };
  };
  let logins: Awaited<ReturnType<typeof made>>;
  const runsNow = async ({ user }: Login): Promise<boolean> =>
    (await world().host.sandboxOf(user)) !== undefined;

  beforeAll(async () => {
    logins = await made();
    const { working, wrong } = logins;
    await waitUntil(async () => !(await runsNow(working)), 'the sandbox to end');
    await waitUntil(async () => await runsNow(working), 'a job to start it', 90_000);
    await waitUntil(async () => (await out(wrong, 'cat ~/.cron.log')) !== '', 'the others to be looked at');
    // Who is looked at last is so a moment later.
    await new Promise((resolve) => setTimeout(resolve, 2000));
  });

  it('runs jobs inside, also when nobody is logged in, and keeps what they say', async () => {
    const { working } = logins;
    const log = async (): Promise<string> => await out(working, 'cat ~/.cron.log');
    await waitUntil(async () => (await log()).includes('exit status 7'), 'both jobs to end');
    expect(await log()).toContain(`ran from-crontab as ${working.user.uid}\ninput%\n`);
    const audit = await world().host.ctlOk('audit', 'ls', '--event', 'cron', '--user', working.user.name);
    expect(JSON.stringify(audit)).toContain('exit 7');
  });

  it('runs none where the policy does not have it', async () => {
    expect(await out(logins.without, 'ls -A ~ | grep cron.log')).toBe('');
  });

  it('follows no link out', async () => {
    expect(await out(logins.linked, 'cat ~/out ~/.cron.log 2>/dev/null')).toBe('');
    await logins.linked.ssh('rm ~/.crontab; mkfifo ~/.crontab');
    expect((await logins.linked.ssh('true')).code).toBe(0);
  });

  it('reads what a session has written that was over before the minute', async () => {
    const again = async (): Promise<string> => await out(world().login('shell'), 'cat ~/again 2>/dev/null');
    await waitUntil(async () => (await again()) === 'again\n', 'the new crontab to be run');
  });

  it('says which lines are none', async () => {
    const said = '~/.crontab: line 1 is neither a job nor a variable; it is left out\n';
    expect(await out(logins.wrong, 'tail -n +2 ~/.cron.log')).toBe(said);
  });

  it('reads no more than there may be', async () => {
    expect(await out(logins.large, 'cat ~/big ~/.cron.log 2>/dev/null')).toBe('');
  });
});
