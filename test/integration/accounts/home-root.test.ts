// user enable and disable where private homes are kept on another file system (home_root).

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOk } from '../../fixtures/process.ts';
import { AccountsHost } from './accounts-host.ts';

let root = '';
let it_: AccountsHost;
const cleanUp = new AsyncDisposableStack();
beforeAll(async () => {
  root = await mkdtemp('/srv/dockersh-test-');
  cleanUp.defer(async () => await rm(root, { recursive: true }));
  // Before the daemon starts: where / is not shared, its supervisors see no later mounts.
  await runOk('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'none', root]);
  cleanUp.defer(async () => void (await runOk('umount', ['-l', root])));
  it_ = cleanUp.use(await AccountsHost.start());
});
afterAll(async () => {
  await cleanUp.disposeAsync();
});

// The home on the host is another folder after it was copied back; what is in it is the same.
const withoutInode = (text: string): string => text.replace(/^home \d+/m, 'home');
const hostSide = (text: string): string => withoutInode(text).split('\nstate ')[0] ?? '';

it('files move there and back, across file systems too, and nothing is left; a missing folder is told of', async () => {
  const user = await it_.user();
  const before = await it_.everythingOf(user);
  const place = join(root, String(user.uid));
  await it_.host.setPolicy({ defaults: { image: 'host', home_root: `${root}/not-there` } });
  const refused = await it_.ctl('enable', user.name);
  expect(refused.code).toBe(65);
  expect(refused.stderr.toString()).toContain('not-there does not exist');
  await it_.host.setPolicy({ defaults: { image: 'host', home_root: root } });
  for (const files of ['move', 'copy']) {
    await it_.ok('enable', '--files', files, user.name);
    expect(await it_.inside(user, 'cat ~/file')).toBe('precious\n');
    expect(await readFile(join(place, 'home/file'), 'utf8')).toBe('precious\n');
    await it_.ok('disable', user.name);
    expect(hostSide(await it_.everythingOf(user))).toBe(hostSide(before));
    expect(existsSync(place)).toBe(files === 'copy');
  }
  // What cannot start is taken back wholly.
  const other = await it_.user();
  await it_.host.setPolicy({ defaults: { image: 'dsh-missing', home_root: root } });
  for (const files of ['move', 'copy']) {
    const was = await it_.everythingOf(other);
    expect((await it_.ctl('enable', '--files', files, other.name)).code).toBe(69);
    expect(withoutInode(await it_.everythingOf(other))).toBe(withoutInode(was));
    expect(existsSync(join(root, String(other.uid)))).toBe(false);
  }
  await it_.host.setPolicy({ defaults: { image: 'host' } });
});
