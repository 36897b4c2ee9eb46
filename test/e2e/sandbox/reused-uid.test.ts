// Accounts that are deleted and whose uid another one gets, and accounts that are renamed: what is kept in sandboxes is a
// person's, not a number's.

import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, type Finished, run } from '../../fixtures/process.ts';
import { type Mode, modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: [] });

const folderOf = ({ user }: Login): string => join(world().host.stateFolder, 'users', String(user.uid));

/** Somebody with a file at home, a changed system and a snapshot; the sandbox runs. */
async function somebody(mode: Mode, policy: PolicySection = {}): Promise<Login> {
  await world().host.setPolicy({
    defaults: { image: 'host', linger: 'forever', stop_grace: '1s', ...policy },
  });
  const login = await world().addLogin(mode);
  await out(login, 'echo precious >~/secret; echo "[session]" >~/.dockersh.ini');
  await world().host.ctlOk('snapshot', login.user.name, 'before');
  return login;
}

/** `userdel OLD; useradd --uid SAME EVE`. */
async function successor({ mode, user }: Login): Promise<Login> {
  return await world().adopt(mode, await user.replace({ shell: world().shellFor(mode) }));
}

async function out(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

async function expectRefused(login: Login, old: string): Promise<void> {
  const result = await login.ssh('cat ~/secret; id');
  expect([result.code, result.stdout.toString()], describeFinished(result)).toEqual([125, '']);
  expect(result.stderr.toString()).toMatch(/belongs to another account.*E_OWNER/s);
  expect(result.stderr.toString()).not.toContain(old);
  const refused = world()
    .host.logRecords()
    .findLast(({ event }) => event === 'login-refused');
  expect(refused).toMatchObject({ code: 'E_OWNER', reason: expect.stringContaining(`account ${old}, not`) });
  expect(refused?.['hint']).toContain(`dockershctl user forget ${login.user.uid}`);
}

function expectOwner(result: Finished): void {
  expect([result.code, result.stdout.toString()], describeFinished(result)).toEqual([65, '']);
  expect(result.stderr.toString()).toContain('E_OWNER');
}

const kinds = unlimited ? ['folder'] : ['folder', 'image'];

describe.skipIf(control).each(modes)('as %s, an account that gets the uid of a deleted one', (mode) => {
  it.each(kinds)('sees nothing of a sandbox that runs, nor of what it left (%s)', async (kind) => {
    const st2 = await somebody(mode, kind === 'image' ? { disk: '100M', disk_backend: 'image' } : {});
    expect(existsSync(join(folderOf(st2), 'disk.img'))).toBe(kind === 'image');
    await using session = st2.start('echo in; sleep 1000');
    await session.waitForOutput('in');
    const eve = await successor(st2);
    expect(await world().host.sandboxOf(st2.user)).toBeDefined();
    await expectRefused(eve, st2.user.name);
    await world().host.ctlOk('stop', st2.user.name); // the account is gone, its sandbox is not
    expect(await world().host.sandboxes()).not.toContainEqual(expect.objectContaining({ uid: eve.user.uid }));
    await expectRefused(eve, st2.user.name);
    await world().host.killDaemon('SIGTERM');
    await world().host.startDaemon();
    await expectRefused(eve, st2.user.name);
    expect(await world().host.sandboxOf(eve.user)).toBeUndefined();
  });

  it('has a sandbox of its own once the other is forgotten', async () => {
    const st2 = await somebody(mode);
    const eve = await successor(st2);
    const { name, uid } = st2.user;
    const forgotten = await world().host.ctlOk('user', 'forget', '--yes', name);
    expect(forgotten).toMatchObject({ user: name, uid, stopped: true, keptHome: null });
    expect(forgotten).toMatchObject({ removed: ['layer', 'snapshots', 'home'] });
    expect(existsSync(folderOf(st2))).toBe(false);
    expect(await out(eve, 'ls ~/secret 2>&1; true')).toContain('No such file');
    const snapshots = await world().host.ctlOk('snapshot', '--ls', eve.user.name);
    expect(snapshots).toMatchObject({ snapshots: [] });
    const users = await readdir(join(world().host.stateFolder, 'users'));
    expect(users.filter((one) => !/^\d+$/.test(one))).toEqual([]);
  });
});

describe.skipIf(control)('what an account with a reused uid cannot be given', () => {
  it('is anything that dockershctl does with what is kept', async () => {
    const st2 = await somebody('shell');
    const eve = await successor(st2);
    const { name } = eve.user;
    const verbs = [
      ['diff', name],
      ['commit', name, 'stolen'],
      ['snapshot', name],
      ['snapshot', '--ls', name],
      ['snapshot', '--rm', name, 'before'],
      ['rollback', '--yes', name],
      ['reset', '--yes', name],
      ['upgrade', name],
      ['user', 'rescue', name, 'off'],
      ['policy', 'diff', name],
    ];
    for (const verb of verbs) expectOwner(await world().host.ctl(...verb));
    const exec = await run(join(world().host.folder, 'bin/dockersh-exec'), [name, 'cat', 'secret']);
    expect([exec.code, exec.stdout.toString()]).toEqual([125, '']);
    await world().host.ctlOk('policy', 'explain', name);
    expect(await readFile(join(folderOf(st2), 'home/secret'), 'utf8')).toBe('precious\n');
    expect(existsSync(join(folderOf(st2), 'snapshots/before'))).toBe(true);
  });

  it('is what the user may set, which is in the home of the one before', async () => {
    const st2 = await somebody('shell', { user_may_set: 'banner' });
    await out(st2, 'echo nonsense >~/.dockersh.ini');
    const eve = await successor(st2);
    const result = await eve.ssh('true');
    expect([result.code, result.stderr.toString().includes('nonsense')]).toEqual([125, false]);
    const explained = await world().host.ctlOk('policy', 'explain', eve.user.name);
    expect(explained).toMatchObject({ problems: [] });
  });

  it('is a sandbox that runs, whatever becomes of the folder meanwhile', async () => {
    const st2 = await somebody('shell');
    const eve = await successor(st2);
    await world().host.killDaemon('SIGKILL');
    await rm(join(folderOf(st2), 'owner.json'));
    await rm(join(folderOf(st2), 'identity'), { recursive: true });
    await world().host.startDaemon();
    const result = await eve.ssh('cat ~/secret');
    expect([result.code, result.stdout.toString()]).toEqual([125, '']);
    expect(result.stderr.toString()).toContain('E_OWNER');
  });

  it('is what a folder of an earlier version holds, or one whose owner cannot be read', async () => {
    const st2 = await somebody('shell');
    await world().host.ctlOk('stop', st2.user.name);
    const eve = await successor(st2);
    await world().host.killDaemon('SIGTERM');
    await rm(join(folderOf(st2), 'owner.json'));
    await world().host.startDaemon();
    await expectRefused(eve, st2.user.name);
    await world().host.killDaemon('SIGTERM');
    await writeFile(join(folderOf(st2), 'owner.json'), '{');
    await world().host.startDaemon();
    expect((await eve.ssh('true')).stderr.toString()).toContain('E_OWNER');
    await world().host.ctlOk('user', 'forget', '--yes', String(st2.user.uid));
    expect(await out(eve, 'ls -A ~/secret 2>&1; true')).toContain('No such file');
  });
});

describe.skipIf(control)('who has a folder of an earlier version', () => {
  it('logs in as before, and has it to themselves from then on', async () => {
    const st2 = await somebody('shell');
    await world().host.ctlOk('stop', st2.user.name);
    await world().host.killDaemon('SIGTERM');
    await rm(join(folderOf(st2), 'owner.json'));
    await rm(join(folderOf(st2), 'identity'), { recursive: true });
    await world().host.startDaemon();
    expect(await out(st2, 'cat ~/secret')).toBe('precious\n');
    const { name, uid } = st2.user;
    const written = JSON.parse(await readFile(join(folderOf(st2), 'owner.json'), 'utf8')) as unknown;
    expect(written).toEqual({ version: 1, uid, name });
    await expectRefused(await successor(st2), name);
  });
});

describe.skipIf(control)('an account that is renamed', () => {
  it('has what it had after "user rename"', async () => {
    const old = await somebody('shell');
    await world().host.ctlOk('stop', old.user.name);
    const name = `${old.user.name}n`;
    const login = await world().adopt('shell', await old.user.rename(name));
    await expectRefused(login, old.user.name);
    const wrong = await world().host.ctl('user', 'rename', 'somebody', name);
    expect([wrong.code, wrong.stderr.toString()]).toEqual([66, expect.stringContaining('E_NOT_FOUND')]);
    expect(await world().host.ctlOk('user', 'rename', old.user.name, name)).toMatchObject({ user: name });
    expect(await out(login, 'cat ~/secret; id -un')).toBe(`precious\n${name}\n`);
    const { snapshots } = (await world().host.ctlOk('snapshot', '--ls', name)) as { snapshots: unknown[] };
    expect(snapshots).toHaveLength(1);
  });
});

describe.skipIf(control)('what is kept for an account that is gone', () => {
  it('is named by user ls, image du and doctor, and not where the account is there', async () => {
    const st2 = await somebody('shell');
    const { name, uid } = st2.user;
    const orphan = { uid, owner: name, running: true };
    const client = ['--client', world().host.client];
    const look = async () => ({
      ls: ((await world().host.ctlOk('user', 'ls', ...client)) as { orphans: unknown[] }).orphans,
      du: ((await world().host.ctlOk('image', 'du')) as { users: { uid: number }[] }).users,
      doctor: JSON.parse(
        (await world().host.ctl('doctor', '--user', 'daemon', ...client)).stdout.toString(),
      ) as { checks: { id: string; found: string; state: string }[] },
    });
    const before = await look();
    expect(before.ls).not.toContainEqual(expect.objectContaining({ uid }));
    expect(before.du).toContainEqual(expect.objectContaining({ uid, user: name, account: name }));
    const eve = await successor(st2);
    const after = await look();
    expect(after.ls).toContainEqual({ ...orphan, account: eve.user.name });
    expect(after.du).toContainEqual(expect.objectContaining({ uid, user: name, account: eve.user.name }));
    const check = after.doctor.checks.find(({ id }) => id === 'accounts-folders');
    expect(check?.state).toBe('warning');
    expect(check?.found).toContain(`${name} (uid ${uid}, which ${eve.user.name} has now)`);
    await world().host.ctlOk('user', 'forget', '--yes', name);
    expect((await look()).ls).not.toContainEqual(expect.objectContaining({ uid }));
  });

  it('can be kept in part: the home, where only root gets to it', async () => {
    const st2 = await somebody('shell');
    const eve = await successor(st2);
    const kept = join(world().host.folder, `kept-${st2.user.uid}`);
    const forget = ['user', 'forget', '--yes', '--keep-home', kept, st2.user.name];
    const forgotten = await world().host.ctlOk(...forget);
    expect(forgotten).toMatchObject({ removed: ['layer', 'snapshots'], keptHome: join(kept, 'home') });
    expect(await readFile(join(kept, 'home/secret'), 'utf8')).toBe('precious\n');
    const { uid, mode } = await stat(kept);
    expect([uid, mode & 0o777]).toEqual([0, 0o700]);
    expect(await out(eve, 'ls ~/secret 2>&1; true')).toContain('No such file');
    const again = await world().host.ctl(
      'user',
      'forget',
      '--yes',
      '--force',
      '--keep-home',
      kept,
      eve.user.name,
    );
    expect([again.code, again.stderr.toString()]).toEqual([64, expect.stringContaining('there already')]);
    expect(await out(eve, 'echo in')).toBe('in\n');
  });

  it('is not forgotten by mistake', async () => {
    const login = await somebody('shell');
    const living = await world().host.ctl('user', 'forget', '--yes', login.user.name);
    expect([living.code, living.stderr.toString()]).toEqual([64, expect.stringContaining('--force')]);
    const unasked = await world().host.ctl('user', 'forget', login.user.name);
    expect([unasked.code, unasked.stderr.toString()]).toEqual([64, expect.stringContaining('--yes')]);
    const nobody = await world().host.ctl('user', 'forget', '--yes', 'dsh-nobody');
    expect([nobody.code, nobody.stderr.toString()]).toEqual([66, expect.stringContaining('E_NOT_FOUND')]);
    expect(await out(login, 'cat ~/secret')).toBe('precious\n');
  });
});
