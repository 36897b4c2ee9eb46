import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PolicyStore } from '../../../src/daemon/policy-store.ts';
import type { UserRecord } from '../../../src/isolation/engine.ts';
import { createLogger } from '../../../src/lib/log.ts';

// The store believes only what root owns; there is no way to tell it otherwise.
const asRoot = describe.runIf(process.getuid?.() === 0);

let folder = '';
let file = '';
let logFile = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  file = path.join(folder, 'dockersh.ini');
  logFile = path.join(folder, 'log');
  await writeFile(file, '[user:tester]\nimage = one\n', { mode: 0o644 });
  await clockTick();
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Until then, what is read may be edited again without looking different, and is read again for that. */
const clockTick = (): Promise<void> => sleep(30);
const account = (name: string): UserRecord => ({
  name,
  uid: 1000,
  gid: 1000,
  home: `/home/${name}`,
  shell: '/bin/bash',
  gecos: '',
  groups: [],
});
const tester = account('tester');
const open = (): Promise<PolicyStore> =>
  PolicyStore.open(file, createLogger({ level: 'debug', file: logFile }));
const logged = (): Promise<string> => readFile(logFile, 'utf8');
const imageOf = (store: PolicyStore): string => {
  const evaluation = store.evaluate(tester);
  return evaluation.kind === 'ok' ? evaluation.policy.image : evaluation.code;
};
/** Replaces the file as an editor does, so that it is another one whatever the clock says. */
async function edit(text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o644 });
  await rename(`${file}.new`, file);
  await clockTick();
}

asRoot('while the file is right', () => {
  test('nothing has to be waited for where nothing has changed', async () => {
    const store = await open();
    expect(imageOf(store)).toBe('one');
    expect(store.refresh()).toBeUndefined();
    expect(store.evaluate(account('other'))).toMatchObject({ kind: 'refused', code: 'E_NO_POLICY' });
  });

  test('an edit takes effect with the next login', async () => {
    const store = await open();
    await edit('[user:tester]\nimage = two\n');
    expect(imageOf(store)).toBe('one');
    const refreshing = store.refresh();
    expect(refreshing).toBeInstanceOf(Promise);
    expect(store.refresh()).toBe(refreshing); // all logins of this moment wait for one reading
    await refreshing;
    expect(imageOf(store)).toBe('two');
    expect(store.refresh()).toBeUndefined();
  });

  test('an edit in place is seen too, of the same length as well', async () => {
    const store = await open();
    await writeFile(file, '[user:tester]\nimage = six\n');
    await utimes(file, 1, 1);
    await clockTick();
    await store.refresh();
    expect(imageOf(store)).toBe('six');
  });
});

asRoot('a file that goes wrong changes nothing', () => {
  test.each([
    ['broken', () => edit('[user:tester]\nimgae = two\n'), /dockersh\.ini:2.*imgae/],
    ['gone', () => rm(file), /does not exist/],
    ['writable by others', () => chmod(file, 0o666), /writable by everybody/],
  ])('%s', async (_, spoil, reason) => {
    const store = await open();
    await spoil();
    await clockTick();
    await store.refresh();
    expect(imageOf(store)).toBe('one');
    expect(await logged()).toMatch(reason);
    expect(await logged()).toMatch(/the last good one stays in force/);
    // And it is read once for each change, not for each login.
    expect(store.refresh()).toBeUndefined();
    await rm(file, { force: true });
    await edit('[user:tester]\nimage = three\n');
    await store.refresh();
    expect(imageOf(store)).toBe('three');
  });
});

asRoot('a file of conf.d that goes wrong', () => {
  const conf = (name: string): string => path.join(folder, 'conf.d', name);
  beforeEach(async () => {
    await mkdir(path.join(folder, 'conf.d'), { mode: 0o755 });
    await writeFile(conf('a.ini'), '[user:tester]\nimage = a\n', { mode: 0o644 });
    await clockTick();
  });

  test.each([
    ['broken', async () => await writeFile(conf('b.ini'), '[user:tester]\nimgae = b\n'), /b\.ini:2:1.*imgae/],
    ['writable by others', async () => await chmod(conf('a.ini'), 0o666), /a\.ini.*writable by everybody/],
    [
      'in a folder of others',
      async () => await chmod(path.join(folder, 'conf.d'), 0o777),
      /conf\.d.*writable/,
    ],
    ['somebody else’s', async () => await chown(conf('a.ini'), 1, 0), /a\.ini.*belongs to uid 1/],
    [
      'a link to what others own',
      async () => {
        await writeFile(path.join(folder, 'theirs'), '[user:tester]\nimage = theirs\n');
        await chown(path.join(folder, 'theirs'), 1, 0);
        await symlink(path.join(folder, 'theirs'), conf('z.ini'));
      },
      /theirs.*belongs to uid 1/,
    ],
  ])('%s: the whole last good policy stays, other edits included', async (_, spoil, reason) => {
    const store = await open();
    expect(imageOf(store)).toBe('a');
    await spoil();
    await edit('[user:tester]\nimage = two\npids = 77\n');
    await store.refresh();
    const evaluation = store.evaluate(tester);
    expect(evaluation).toMatchObject({ policy: { image: 'a', pids: 1024 } });
    expect(store.outdated).toBe(true);
    expect(await logged()).toMatch(reason);
  });
});

asRoot('at the start', () => {
  test('every problem of a broken file is named', async () => {
    await edit('[defaults]\nimgae = two\ncpus = many\n');
    const error = await open().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'E_POLICY_INVALID' });
    expect(String(error)).toMatch(/dockersh\.ini:2[\s\S]*dockersh\.ini:3/);
  });

  test('a file that is missing or that others can change is no policy', async () => {
    await chmod(file, 0o664);
    await expect(open()).rejects.toMatchObject({ code: 'E_UNTRUSTED_PATH' });
    await rm(file);
    await expect(open()).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });
});
