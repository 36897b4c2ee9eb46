// Copying files: scp by both protocols, sftp, rsync.

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, runOk } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

function ok(result: Finished): string {
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** A folder with what tends to go wrong: names, sizes, modes, links. */
async function makeTree(): Promise<string> {
  const tree = await mkdtemp(join(world().host.folder, 'tree-'));
  await mkdir(join(tree, 'deep/er/folder'), { recursive: true });
  await writeFile(join(tree, 'it\'s a "name" with $HOME and 日本'), 'names');
  await writeFile(join(tree, 'empty'), '');
  await writeFile(join(tree, 'deep/er/folder/binary'), randomBytes(1_234_567));
  await writeFile(join(tree, 'script'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  await symlink('script', join(tree, 'link'));
  return tree;
}

describe.each(everyMode)('as %s', (mode) => {
  it.each([
    ['the old protocol', '-O'],
    ['sftp', '-s'],
  ])('scp by %s, both ways', async (_name, protocol) => {
    const login = world().login(mode);
    const tree = await makeTree();
    const name = uniqueName('scp');
    const script = `set -e
      scp $2 -F $SSH_CONFIG -pr "$1" "$HOST:$3"
      scp $2 -F $SSH_CONFIG -pr "$HOST:$3" "$1.back"
      # scp follows links, so the copies have what the link names
      diff -r "$1" "$1.back"
      stat -c %a "$1.back/script"`;
    expect(ok(await login.script(script, [tree, protocol, name]))).toBe('755\n');
    expect(ok(await login.ssh(`~/${name}/script; echo $?`))).toBe('3\n');
  });

  it('scp reports a missing file', async () => {
    const result = await world()
      .login(mode)
      .script('scp -F $SSH_CONFIG "$HOST:no-such-file" "$1"', ['/dev/null']);
    expect(result.code).toBe(1);
    expect(result.stderr.toString()).toMatch(/no-such-file.*No such file/i);
  });

  it('sftp runs a batch', async () => {
    const login = world().login(mode);
    const tree = await makeTree();
    const name = uniqueName('sftp');
    const batch = [
      `mkdir ${name}`,
      `cd ${name}`,
      'pwd',
      `put -r ${tree}/deep`,
      `put ${tree}/script renamed-later`,
      'rename renamed-later renamed',
      'chmod 700 renamed',
      'ln -s renamed alias',
      'ls -l',
      `get renamed ${tree}/back`,
      'rm alias',
      '-rmdir deep',
    ].join('\n');
    const output = ok(await login.script('sftp -F $SSH_CONFIG -b - "$HOST"', [], { input: `${batch}\n` }));
    expect(output).toContain(`Remote working directory: ${login.user.home}/${name}`);
    expect(output).toMatch(/-rwx------ .* renamed/);
    expect(await readFile(join(tree, 'back'), 'utf8')).toBe('#!/bin/sh\nexit 3\n');
    expect(ok(await login.ssh(`cd ${name} && ls && stat -c %s deep/er/folder/binary`))).toBe(
      'deep\nrenamed\n1234567\n',
    );
  });

  it("sftp works with ssh2's client", async () => {
    await using connection = await world().login(mode).ssh2();
    const sftp = await connection.sftp();
    const name = uniqueName('ssh2');
    const data = randomBytes(300_000);
    await new Promise<void>((resolve, reject) => {
      sftp.writeFile(name, data, (error) => (error ? reject(error) : resolve()));
    });
    const back = await new Promise<Buffer>((resolve, reject) => {
      sftp.readFile(name, (error, buffer) => (error ? reject(error) : resolve(buffer)));
    });
    expect(back.equals(data)).toBe(true);
    sftp.end();
  });

  it.skipIf(lacks('rsync'))('rsync both ways, with many files, sparse ones and --delete', async () => {
    const login = world().login(mode);
    const tree = await makeTree();
    const name = uniqueName('rsync');
    await mkdir(join(tree, 'many'));
    for (let n = 0; n < 1_000; n++) await writeFile(join(tree, `many/${n}`), `file ${n}\n`);
    await writeFile(join(tree, 'sparse'), 'start');
    await truncate(join(tree, 'sparse'), 200 * 1024 * 1024);
    const sync = async (from: string, to: string) =>
      ok(await login.script('rsync -aSH --delete -e "$SSH" "$1" "$2"', [from, to], { timeoutMs: 110_000 }));
    const remote = `${login.target}:${name}/`;
    await sync(`${tree}/`, remote);
    const blocks = Number(ok(await login.ssh(`stat -c %b ${name}/sparse`)));
    expect(blocks).toBeLessThan(1_000);
    const back = await mkdtemp(join(login.host.folder, 'back-'));
    await writeFile(join(back, 'to-be-deleted'), 'x');
    await sync(remote, `${back}/`);
    await runOk('diff', ['-r', '--no-dereference', tree, back]);
    expect((await stat(join(back, 'sparse'))).blocks).toBeLessThan(1_000);
    await runOk('rm', ['-r', join(tree, 'many')]);
    await sync(`${tree}/`, remote);
    await sync(remote, `${back}/`);
    expect(await readdir(back)).toEqual(await readdir(tree));
  });

  it('tar through a pipe keeps everything', async () => {
    const login = world().login(mode);
    const tree = await makeTree();
    const name = uniqueName('tar');
    const script = `set -e -o pipefail
      tar -C "$1" -c . | $SSH "$HOST" "mkdir $2 && tar -C $2 -x"
      mkdir "$1.back"
      $SSH "$HOST" "tar -C $2 -c ." | tar -C "$1.back" -x
      diff -r --no-dereference "$1" "$1.back"`;
    ok(await login.script(script, [tree, name]));
  });
});
