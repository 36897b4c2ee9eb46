// Clients other than OpenSSH's that copy files: there and back again, and nothing is different.

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished, run, waitUntil } from '../../fixtures/process.ts';
import { eachServer, useWorld } from '../../fixtures/world.ts';
import { Endpoint } from './endpoint.ts';

const world = useWorld({
  modes: eachServer,
  module: true,
  policy: { defaults: { image: 'host', linger: '5m', stop_grace: '0' } },
});

/** What copies the file $1 to $2 of the other end, and that to $3 here. */
const clients = {
  pscp: 'pscp -q -sftp $PUTTY "$1" "$WHERE:$2" && pscp -q -sftp $PUTTY "$WHERE:$2" "$3"',
  'pscp -scp': 'pscp -q -scp $PUTTY "$1" "$WHERE:$2" && pscp -q -scp $PUTTY "$WHERE:$2" "$3"',
  psftp: `printf 'put "%s" "%s"\\nget "%s" "%s"\\n' "$1" "$2" "$2" "$3" | psftp $PUTTY -b /dev/stdin "$WHERE"`,
  'scp by dbclient': `printf '#!/bin/sh\\nexec dbclient %s "$@"\\n' "$DROPBEAR" >scp-dbclient && chmod +x scp-dbclient
    scp -O -S ./scp-dbclient "$1" "$WHERE:$2" && scp -O -S ./scp-dbclient "$WHERE:$2" "$3"`,
  'rsync by dbclient':
    'rsync -e "dbclient $DROPBEAR" "$1" "$WHERE:$2" && rsync -e "dbclient $DROPBEAR" "$WHERE:$2" "$3"',
  paramiko: '$PARAMIKO copy "$@"',
  asyncssh: '$ASYNCSSH copy "$@"',
  'asyncssh.scp': '$ASYNCSSH scp "$@"',
  libssh: '$LIBSSH copy "$@"',
  'curl sftp:':
    'curl $CURL -T "$1" "sftp://127.0.0.1:$PORT/~/$2" && curl $CURL -o "$3" "sftp://127.0.0.1:$PORT/~/$2"',
  'curl scp:':
    'curl $CURL -T "$1" "scp://127.0.0.1:$PORT/~/$2" && curl $CURL -o "$3" "scp://127.0.0.1:$PORT/~/$2"',
  lftp: `lftp -c "set sftp:connect-program 'ssh -a -x -F $SSH_CONFIG'; open sftp://$USER_NAME:@$HOST && put '$1' -o '$2' && get '$2' -o '$3'"`,
  rclone: `remote=":sftp,host=127.0.0.1,port=$PORT,user=$USER_NAME,key_file=$KEY:" && rclone copyto "$1" "$remote$2" && rclone copyto "$remote$2" "$3"`,
};

describe.skipIf(lacks('pscp', 'dbclient', 'curl', 'lftp', 'rclone', 'rsync', 'sshfs')).each(eachServer)(
  'as %s',
  (mode) => {
    let endpoint: Endpoint;
    const payload = randomBytes(1_234_567);
    beforeAll(async () => {
      endpoint = await Endpoint.of(world().login(mode));
      await writeFile(join(endpoint.folder, 'payload'), payload);
    });

    it.each(Object.entries(clients))('%s', async (name, client) => {
      const there = `by-${name.replaceAll(/\W+/g, '-')}`;
      const back = join(endpoint.folder, there);
      const result = await endpoint.script(client, ['payload', there, back], {
        env: { RCLONE_CONFIG: '/dev/null' },
      });
      expect(result.code, describeFinished(result)).toBe(0);
      expect((await readFile(back)).equals(payload)).toBe(true);
      const owner = await endpoint.login.ssh(`stat -c '%U %s' ${there}`);
      expect(owner.stdout.toString()).toBe(`${endpoint.login.user.name} ${payload.length}\n`);
    });

    it('sshfs', async () => {
      const mount = join(endpoint.folder, 'mounted');
      await mkdir(mount);
      const mounted = await endpoint.script('sshfs -F "$SSH_CONFIG" "$HOST:" mounted');
      expect(mounted.code, describeFinished(mounted)).toBe(0);
      try {
        await mkdir(join(mount, 'folder'));
        await writeFile(join(mount, 'folder/payload'), payload);
        expect((await readFile(join(mount, 'folder/payload'))).equals(payload)).toBe(true);
        expect(await readdir(join(mount, 'folder'))).toEqual(['payload']);
      } finally {
        await waitUntil(async () => (await run('fusermount', ['-u', mount])).code === 0, 'sshfs to end');
      }
      expect((await endpoint.login.ssh('cat folder/payload')).stdout.equals(payload)).toBe(true);
    });
  },
);
