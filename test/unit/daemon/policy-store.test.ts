// Tests of the policy in force: edits, broken files, and the last good policy.

import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeptPolicy } from '../../../src/daemon/policy/kept-policy.ts';
import { PolicyStore } from '../../../src/daemon/policy/policy-store.ts';
import type { UserRecord } from '../../../src/isolation/engine.ts';
import { createLogger } from '../../../src/lib/log.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { withOlderNetwork } from '../../../src/policy/network/older.ts';
import type { Policy } from '../../../src/policy/policy.ts';

// The store believes only what root owns; there is no way to tell it otherwise.
const asRoot = describe.runIf(process.getuid?.() === 0);

let folder = '';
let file = '';
let logFile = '';
let state = '';
let opened: PolicyStore[] = [];
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  file = path.join(folder, 'dockersh.ini');
  logFile = path.join(folder, 'log');
  state = path.join(folder, 'state');
  await mkdir(state, { mode: 0o700 });
  await writeFile(file, '[user:tester]\nimage = one\n', { mode: 0o644 });
  await clockTick();
});
afterEach(async () => {
  for (const store of opened) await store[Symbol.asyncDispose]();
  opened = [];
  await rm(folder, { recursive: true, force: true });
});

/** Until then, what is read may be edited again without looking different, and is read again for that. */
const clockTick = (): Promise<void> => sleep(30);
const account = (name: string): UserRecord => ({
  name,
  uid: Uid.parse(1000),
  gid: 1000,
  home: `/home/${name}`,
  shell: '/bin/bash',
  gecos: '',
  groups: [],
});
const tester = account('tester');
const open = async (adapt?: (policy: Policy) => Policy): Promise<PolicyStore> => {
  const log = createLogger({ level: 'debug', file: logFile });
  const store = await PolicyStore.open(file, log, new KeptPolicy(state, file, log), adapt);
  opened.push(store);
  return store;
};
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

asRoot('what is put below every policy', () => {
  test('holds after an edit, and for the last good policy of a daemon before', async () => {
    const older = (policy: Policy): Policy => withOlderNetwork(policy, '/state/network.json');
    const sourceOf = (store: PolicyStore) =>
      store.explain(tester).keys.find(({ key }) => key === 'network')?.from[0]?.section;
    const store = await open(older);
    expect(sourceOf(store)).toBe('upgrade');
    await edit('[user:tester]\nimage = two\n');
    await store.refresh();
    expect(sourceOf(store)).toBe('upgrade');
    await store[Symbol.asyncDispose]();
    await edit('[user:tester]\nimgae = two\n');
    const next = await open(older);
    expect(imageOf(next)).toBe('two');
    expect(sourceOf(next)).toBe('upgrade');
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
    expect(await logged()).toMatch(/the last good one, of .* is in force/);
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
    expect(store.fault).toMatchObject({ problems: [expect.stringMatching(reason)] });
    expect(await logged()).toMatch(reason);
  });
});

asRoot('at the start', () => {
  const kept = (): string => path.join(state, 'last-good-policy.json');
  const broken = '[defaults]\nimgae = two\ncpus = many\n';
  /** What a daemon leaves that has seen the policy of this file. */
  async function keep(): Promise<void> {
    await (await open())[Symbol.asyncDispose]();
  }

  test.each([
    ['is broken', () => edit(broken), [/dockersh\.ini:2.*imgae/, /dockersh\.ini:3/]],
    ['others can change', () => chmod(file, 0o664), [/writable by its group/]],
    ['is missing', () => rm(file), [/does not exist/]],
    [
      'is a loop of links',
      async () => {
        await rm(file);
        await symlink(file, file);
      },
      [/too many symbolic links/],
    ],
    [
      'is a folder',
      async () => {
        await rm(file);
        await mkdir(file, { mode: 0o755 });
      },
      [/not a regular/],
    ],
    ['has no folder beside it', () => writeFile(path.join(folder, 'conf.d'), ''), [/conf\.d.*ENOTDIR/]],
  ])('a file that %s leaves the policy of before in force', async (_, spoil, reasons) => {
    await keep();
    await spoil();
    const store = await open();
    expect(imageOf(store)).toBe('one');
    expect(store.fault?.since).toMatch(/^20\d\d-/);
    for (const reason of reasons) {
      expect(store.fault?.problems.join('\n')).toMatch(reason);
      expect(await logged()).toMatch(reason);
    }
    expect(await logged()).toMatch(/"level":"error".*"keptBy":.*the last good one, of 20\S+, is in force/);
    await rm(path.join(folder, 'conf.d'), { force: true });
    await rm(file, { force: true, recursive: true });
    const told: unknown[] = [];
    store.whenFaultChanges(() => told.push(store.fault));
    await edit('[user:tester]\nimage = three\n');
    await store.refresh();
    expect([imageOf(store), store.fault, told]).toEqual(['three', undefined, [undefined]]);
  });

  test('without one of before every login is refused, until the file is mended', async () => {
    await edit(broken);
    const store = await open();
    expect(store.evaluate(tester)).toMatchObject({ kind: 'refused', code: 'E_POLICY_BROKEN' });
    expect(store.evaluateWith(tester, [])).toMatchObject({ kind: 'refused', code: 'E_POLICY_BROKEN' });
    expect(store.explain(tester).evaluation).toMatchObject({ code: 'E_POLICY_BROKEN' });
    expect(store.fault?.since).toBe(null);
    expect(await logged()).toMatch(/"noneKept":"there is none".*every login is refused/);
    // What the mended one will want is not known, and the cgroups are made now.
    expect(store.rareControllers()).toEqual(new Set(['cpuset', 'io']));
    await edit('[user:tester]\nimage = two\n');
    await store.refresh();
    expect([imageOf(store), store.fault]).toEqual(['two', undefined]);
  });

  test('what is kept is what was accepted last, whole, and for root alone', async () => {
    await keep();
    const first = JSON.parse(await readFile(kept(), 'utf8')) as { since: string };
    await keep();
    expect(JSON.parse(await readFile(kept(), 'utf8'))).toEqual(first); // accepted then, not when it was read again
    await mkdir(path.join(folder, 'conf.d'), { mode: 0o755 });
    await writeFile(path.join(folder, 'conf.d/a.ini'), '[user:tester]\nimage = a\n', { mode: 0o644 });
    await clockTick();
    const store = await open();
    await edit('[user:tester]\nimage = two\npids = 77\n');
    await store.refresh();
    await edit(broken);
    await store.refresh();
    await store[Symbol.asyncDispose]();
    expect((await stat(kept())).mode & 0o777).toBe(0o600);
    const next = await open();
    expect(next.evaluate(tester)).toMatchObject({ policy: { image: 'a', pids: 77 } });
  });

  test('what a crash left half written is removed, and not believed', async () => {
    await keep();
    const half = path.join(state, '.last-good-policy.json.0123456789abcdef.tmp');
    await writeFile(half, '{"format":1');
    await edit(broken);
    expect(imageOf(await open())).toBe('one');
    expect(await readdir(state)).toEqual(['last-good-policy.json']);
  });

  test('an older one does not outlive an edit that could not be kept', async () => {
    await keep();
    const store = await open();
    await rm(kept());
    await mkdir(path.join(kept(), 'in-the-way'), { recursive: true }); // as a disk that is full: no new file
    await edit('[user:tester]\nimage = two\n');
    await store.refresh();
    await store[Symbol.asyncDispose]();
    expect(imageOf(store)).toBe('two');
    expect(await logged()).toMatch(/"level":"error".*could not be kept/);
  });

  /** As a copy that somebody else could have made, or another version. */
  const alter = async (change: (copy: Record<string, unknown>) => unknown): Promise<void> => {
    const copy = JSON.parse(await readFile(kept(), 'utf8')) as Record<string, unknown>;
    await writeFile(kept(), JSON.stringify(change(copy)));
  };
  test.each([
    ['is another’s', () => chown(kept(), 1, 1), /belongs to uid 1/],
    ['others can write', () => chmod(kept(), 0o666), /writable by everybody/],
    [
      'is a link to what another owns',
      async () => {
        await rename(kept(), path.join(folder, 'theirs'));
        await chown(path.join(folder, 'theirs'), 1, 1);
        await symlink(path.join(folder, 'theirs'), kept());
      },
      /belongs to uid 1/,
    ],
    ['lies in a folder that others can write', () => chmod(state, 0o777), /writable by everybody/],
    ['is cut off', async () => await truncate(kept(), 40), /damaged, or of another version/],
    ['is empty', () => truncate(kept(), 0), /damaged, or of another version/],
    [
      'is of another format',
      () => alter((copy) => ({ ...copy, format: 2 })),
      /damaged, or of another version/,
    ],
    ['has more in it', () => alter((copy) => ({ ...copy, x: 1 })), /damaged, or of another version/],
    [
      'is of another file',
      () => alter((copy) => ({ ...copy, main: '/etc/other.ini' })),
      /is of \/etc\/other/,
    ],
    [
      'has a key that this version does not know',
      () =>
        alter((copy) => ({
          ...copy,
          version: '9.9.9',
          files: [{ file, text: '[user:tester]\nimage = one\nquantum = yes\n' }],
        })),
      /kept by version 9\.9\.9, is not valid in .*quantum/,
    ],
  ])('a kept one that %s is not believed', async (_, spoil, reason) => {
    await keep();
    await spoil();
    await edit(broken);
    const store = await open();
    expect(imageOf(store)).toBe('E_POLICY_BROKEN');
    expect(await logged()).toMatch(reason);
  });
});
