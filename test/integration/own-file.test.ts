// A user's own file is read with the user's rights: whatever they put in its place, they learn nothing by it,
// and nothing hangs.

import { readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { UserRecord } from '../../src/isolation/engine.ts';
import { loadAddon } from '../../src/isolation/socket/seqpacket.ts';
import { resolved } from '../../src/lib/values/absolute-path.ts';
import { Uid } from '../../src/lib/values/uid.ts';
import { OwnFiles } from '../../src/users/home/own-file.ts';
import { buildFolder } from '../fixtures/paths.ts';
import { runOk } from '../fixtures/process.ts';

const uid = Uid.parse(23_456);
const most = 100;
let folder = '';
let home = '';
let user: UserRecord;

beforeAll(() => {
  loadAddon(path.join(buildFolder, 'addon.node'));
});
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  await chmod(folder, 0o755);
  home = path.join(folder, 'state/users', String(uid), 'home');
  await mkdir(home, { recursive: true });
  await chmod(path.join(folder, 'state'), 0o700);
  await chown(home, uid, uid);
  user = { uid, gid: uid, name: 'dshown', home, shell: '/bin/sh', gecos: '', groups: [] };
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A home in a plain folder. */
const disks = {
  open: async () => ({
    outside: resolved(path.dirname(home)),
    folder: path.dirname(home),
    device: undefined,
    limited: false,
    [Symbol.asyncDispose]: async () => {},
  }),
};
const at = (name: string): string => path.join(home, name);
const read = async (kind: 'private' | 'host' = 'private') =>
  await new OwnFiles(disks.open).read(user, kind, 'f.ini', most);

async function own(name: string, text: string, mode = 0o600): Promise<void> {
  await writeFile(at(name), text, { mode });
  await chown(at(name), uid, uid);
}

test('what is there is read, below folders that only root enters', async () => {
  expect(await read()).toBeUndefined();
  await own('f.ini', 'shell = /bin/zsh ü\n');
  expect(await read()).toEqual({ text: 'shell = /bin/zsh ü\n' });
  expect(await read('host')).toEqual({ text: 'shell = /bin/zsh ü\n' });
});

test.each<[string, () => Promise<void>, RegExp]>([
  ['a link to a secret', async () => await symlink('/etc/shadow', at('f.ini')), /link/],
  [
    'a link to a file of their own',
    async () => {
      await own('other', 'x');
      await symlink(at('other'), at('f.ini'));
    },
    /link/,
  ],
  [
    'a file of root’s that nobody else may read',
    async () => await writeFile(at('f.ini'), 'secret', { mode: 0o600 }),
    /EACCES/,
  ],
  [
    'a hard link to such a file',
    async () => {
      await writeFile(path.join(folder, 'secret'), 'secret', { mode: 0o600 });
      await link(path.join(folder, 'secret'), at('f.ini'));
    },
    /EACCES/,
  ],
  [
    'a hard link to a file that others may read',
    async () => {
      await writeFile(path.join(folder, 'others'), 'secret', { mode: 0o644 });
      await link(path.join(folder, 'others'), at('f.ini'));
    },
    /not yours/,
  ],
  [
    'a fifo that nobody writes to',
    async () => void (await runOk('mkfifo', ['-m', '666', at('f.ini')])),
    /regular/,
  ],
  ['a folder', async () => await mkdir(at('f.ini'), { mode: 0o777 }), /regular/],
  [
    'a device',
    async () => void (await runOk('mknod', ['-m', '666', at('f.ini'), 'c', '1', '5'])),
    /regular|E[A-Z]+/,
  ],
  ['more than there may be', async () => await own('f.ini', 'x'.repeat(most + 1)), /too large/],
  [
    'a file of a terabyte',
    async () => {
      await own('f.ini', '');
      await truncate(at('f.ini'), 2 ** 40);
    },
    /too large/,
  ],
  [
    'what is no text',
    async () => {
      await own('f.ini', '');
      await writeFile(at('f.ini'), Buffer.from([0xff, 0xfe]));
    },
    /UTF-8/,
  ],
])('%s is not', async (_, put, problem) => {
  await put();
  const result = await read();
  expect(JSON.stringify(result)).not.toContain('secret');
  // Not that it took too long.
  expect(result).toEqual({ problem: expect.stringMatching(problem) });
});

test('a home that is somebody else’s, or a link, has no file', async () => {
  await own('f.ini', 'x');
  await chown(home, 0, 0);
  expect(await read('host')).toBeUndefined();
  await chown(home, uid, uid);
  await symlink(home, path.join(folder, 'link'));
  user = { ...user, home: path.join(folder, 'link') };
  expect(await read('host')).toBeUndefined();
});

test('the daemon itself stays root meanwhile and afterwards', async () => {
  await own('f.ini', 'x');
  await Promise.all(Array.from({ length: 50 }, () => read()));
  await writeFile(path.join(folder, 'roots'), 'x', { mode: 0o600 });
  // Every thread: file rights are each one's own.
  const threads = readdirSync('/proc/self/task').map((id) =>
    readFileSync(`/proc/self/task/${id}/status`, 'utf8'),
  );
  for (const status of threads) expect(status).toMatch(/^Uid:\t0\t0\t0\t0$/m);
  expect(process.getuid?.()).toBe(0);
});
