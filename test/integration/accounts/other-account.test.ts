// user enable, disable, forget and rename for accounts that have the uid, or once had the name, of another one.

import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finished } from '../../fixtures/process.ts';
import { runOk } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';
import { AccountsHost } from './accounts-host.ts';

let it_: AccountsHost;
beforeAll(async () => {
  it_ = await AccountsHost.start();
});
afterAll(async () => {
  await it_[Symbol.asyncDispose]();
});

/** `userdel st2; useradd --uid SAME eve`, with another shell than dockersh. */
const successor = async (user: TestUser): Promise<TestUser> =>
  it_.adopt(await user.replace({ shell: '/bin/bash' }));

function expectOwner({ code, stdout, stderr }: Finished, old: string): void {
  expect([code, stdout.toString()]).toEqual([65, '']);
  expect(stderr.toString()).toMatch(new RegExp(`"E_OWNER".*${old}.*user forget .*user rename ${old} `));
}

const accountsIn = async (): Promise<string[]> =>
  (await readdir(join(it_.host.stateFolder, 'accounts'))).sort();
const policyOf = (user: TestUser): string => join(it_.host.folder, `etc/conf.d/user-${user.uid}.ini`);

describe('an account with the uid of one that was enabled', () => {
  it.each(['shell', 'sshd'])('is neither enabled nor disabled for it (%s)', async (how) => {
    const st2 = await it_.user();
    await it_.ok('enable', '--files', 'move', '--how', how, st2.name);
    const eve = await successor(st2);
    const before = await it_.everythingOf(eve, { files: false });
    expectOwner(await it_.ctl('enable', eve.name), st2.name);
    expectOwner(await it_.ctl('disable', eve.name), st2.name);
    expect(await it_.everythingOf(eve, { files: false })).toBe(before);
    const { users } = (await it_.ok('ls')) as { users: { user: string; files: string | null }[] };
    expect(users.find(({ user }) => user === eve.name)?.files ?? null).toBeNull();
    const kept = join(it_.host.folder, `kept-${how}`);
    const forgotten = await it_.bare('forget', '--yes', '--keep-home', kept, st2.name);
    expect(forgotten).toMatchObject({ user: st2.name, sshdEntry: how === 'sshd' });
    expect(await readFile(join(kept, 'home/file'), 'utf8')).toBe('precious\n');
    expect(await accountsIn()).not.toContain(`${st2.uid}.json`);
    await it_.ok('enable', '--files', 'keep', eve.name);
    expect(await it_.inside(eve, 'ls ~/file 2>&1; id -un')).toMatch(
      new RegExp(`No such file.*\n${eve.name}\n`),
    );
    await it_.ok('disable', eve.name);
  });

  it('gets nothing of the settings that were made for the one before', async () => {
    const st2 = await it_.user();
    await it_.ok('enable', '--home', 'host', st2.name);
    expect(await readFile(policyOf(st2), 'utf8')).toContain(`[user:${st2.name}]`);
    await it_.bare('forget', '--yes', '--force', st2.name);
    expect(existsSync(policyOf(st2))).toBe(false);
    // Whoever is forgotten while the account is there has a sandbox still: a new one.
    expect(await it_.inside(st2, 'id -un')).toBe(`${st2.name}\n`);
  });
});

describe('an account that is renamed', () => {
  it('stays enabled, with its settings, and is disabled by its new name', async () => {
    const old = await it_.user();
    await it_.ok('enable', '--home', 'host', old.name);
    await it_.stop(old);
    const name = `${old.name}n`;
    const renamed = await old.rename(name);
    expectOwner(await it_.ctl('disable', name), old.name);
    expect(await it_.bare('rename', old.name, name)).toMatchObject({ user: name, sshdEntry: false });
    expect(await readFile(policyOf(old), 'utf8')).toContain(`[user:${name}]`);
    expect(await it_.inside(renamed, 'id -un; touch ~/from-inside')).toBe(`${name}\n`);
    expect(existsSync(join(old.home, 'from-inside'))).toBe(true);
    await it_.ok('disable', name);
    expect(existsSync(policyOf(old))).toBe(false);
    expect((await runOk('getent', ['passwd', name])).trim().endsWith(':/bin/bash')).toBe(true);
    expect((await stat(old.home)).uid).toBe(old.uid);
    await runOk('usermod', ['--login', old.name, name]);
  });
});
