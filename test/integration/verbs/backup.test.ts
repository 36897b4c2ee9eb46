// The state as docs/admin.md says to copy it: on another disk or host everything is there, with the same owners, and what
// a user has deleted of the image stays deleted.

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Host } from '../../fixtures/host.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '0', shell: '/bin/sh' } };
const copies = {
  rsync: ['rsync', '-aHAXS', '--numeric-ids', '--modify-window=-1', 'FROM/', 'TO/'],
  tar: [
    'sh',
    '-ec',
    'mkdir TO; tar -C FROM --xattrs --xattrs-include="*" --acls --sparse --numeric-owner -cf - . | tar -C TO --xattrs --xattrs-include="*" --acls --same-owner -xpf -',
  ],
} as const;

it.skipIf(lacks('busybox', 'rsync'))(
  'a copy of the state holds all of it',
  async () => {
    await using verbs = await VerbsHost.start({ policy });
    const { host, user } = verbs;
    const base = await verbs.rootfs('base', { 'srv/gone': 'x', 'srv/dir/old': 'x' });
    await chmod(join(base, 'srv/dir'), 0o777);
    await host.ctlOk('image', 'import', 'lab/base:1', base);
    await verbs.inside(
      'echo mine >~/file; chmod 640 ~/file; rm /srv/gone; rm -r /srv/dir; mkdir /srv/dir; echo new >/srv/dir/new',
    );
    const look = "stat -c '%n %U %a' ~/file /srv/dir/new; cat ~/file; ls /srv/gone /srv/dir 2>&1";
    const before = await run(verbs.host, user.uid, user.gid, look);
    expect(before).toMatch(/mine\n/);
    await host.ctlOk('stop', verbs.name);
    await host.killDaemon('SIGTERM');
    for (const [name, words] of Object.entries(copies)) {
      const to = join(host.folder, `copy-${name}`);
      const [program = '', ...args] = words.map((word) =>
        word.replaceAll('FROM', host.stateFolder).replaceAll('TO', to),
      );
      await runOk(program, args);
      await using other = await Host.start({ policy, stateFolder: to });
      other.uids.push(user.uid);
      expect(await run(other, user.uid, user.gid, look), name).toBe(before);
      expect(await other.ctlOk('image', 'verify', '--layers')).toMatchObject({ problems: [] });
      await other.ctlOk('stop', verbs.name);
    }
  },
  120_000,
);

async function run(host: Host, uid: number, gid: number, script: string): Promise<string> {
  return await runOk(host.client, ['-c', `${script}; true`], { uid, gid });
}
