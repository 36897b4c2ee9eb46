// A user's files are counted as a project (dockersh-layer project) whatever is among them and whatever is done to them
// meanwhile: on xfs, which keeps projects also where the kernel has no quotas.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderPrefix } from '../../fixtures/leftovers.ts';
import { lacks } from '../../fixtures/machine.ts';
import { buildFolder, checkout } from '../../fixtures/paths.ts';
import { type Finished, Running, run, runOk } from '../../fixtures/process.ts';

const layer = join(buildFolder, 'dockersh-layer');
const look = join(checkout, 'test/integration/projects/look.py');
const inherits = 0x200;
/** Of what is marked by a set of flags. */
const immutable = 0x8;
const appendOnly = 0x10;

describe.skipIf(lacks('mkfs.xfs', 'python3', 'chattr'))('files become a project', () => {
  let place: string;
  let count = 0;

  beforeAll(async () => {
    place = await mkdtemp(`${folderPrefix}projects-`);
    await runOk('truncate', ['-s', '400M', join(place, 'image')]);
    await runOk('mkfs.xfs', ['-q', join(place, 'image')]);
    await mkdir(join(place, 'disk'));
    await runOk('mount', ['-o', 'loop', join(place, 'image'), join(place, 'disk')]);
  });
  afterAll(async () => {
    await runOk('umount', [join(place, 'disk')]);
    await rm(place, { recursive: true });
  });

  const python = async (...args: string[]): Promise<string> => await runOk('python3', [look, ...args]);
  /** Where nothing that the tool does takes long. */
  const mark = async (id: number, folder: string): Promise<Finished> =>
    await run(layer, ['project', String(id), folder], { timeoutMs: 30_000 });
  const markOk = async (id: number, folder: string): Promise<void> =>
    void (await runOk(layer, ['project', String(id), folder], { timeoutMs: 30_000 }));

  /** A tree with files in it, and a folder beside it on the same file system that is none of its business. */
  async function twoFolders(script = ''): Promise<{ readonly tree: string; readonly outside: string }> {
    count += 1;
    const [tree, outside] = [join(place, `disk/tree${count}`), join(place, `disk/outside${count}`)];
    const setUp = `set -e; mkdir -p "$1" "$2/folder/in"; cd "$2"
      echo precious >file; echo precious >folder/in/file; ln -s file link; mkfifo pipe; cd "$1"; ${script}`;
    await runOk('bash', ['-c', setUp, 'bash', tree, outside]);
    return { tree, outside };
  }

  type Entry = { readonly facts: string; readonly id: string; readonly flags: number };
  async function entries(folder: string): Promise<Map<string, Entry>> {
    const lines = (await python('tree', folder)).trimEnd().split('\n');
    return new Map(
      lines.map((line) => {
        const [path = '', facts = '', project = ''] = line.split('\t');
        const [id = '', flags = '0'] = project.split(' ');
        return [path, { facts, id, flags: Number.parseInt(flags, 16) }];
      }),
    );
  }
  const facts = (all: Map<string, Entry>) => [...all].map(([path, one]) => [path, one.facts]);
  const ids = (all: Map<string, Entry>) => [...new Set([...all.values()].map(({ id }) => id))].sort();

  it('10,000 levels deep, with few descriptors and little stack', async () => {
    const { tree } = await twoFolders();
    await python('deep', tree, '10000');
    const little = ['--nofile=12:12', `--stack=${128 * 1024}:${128 * 1024}`, '--', layer];
    for (const id of [70_001, 70_002, 0]) {
      await runOk('prlimit', [...little, 'project', String(id), tree]);
      expect(await python('depths', tree)).toBe(`10000 ${id}\n`);
    }
    await runOk(layer, ['remove', tree]);
  });

  it('with links, pipes, sockets, devices, hard links, odd names and flags, which stay what they are', async () => {
    const { tree, outside } = await twoFolders(`
      mkdir -p folder/in $'new\\nline' "$(printf '\\377')" locked; echo x | tee file folder/in/file $'new\\nline/file' >locked/file
      ln -s "$2" out; ln -s "$2/file" out-file; ln -s ../../../../etc up; ln -s nowhere $'broken\\nlink'; ln -s x .dockersh-project-0
      mkfifo -m 640 pipe; mknod whiteout c 0 0; mknod null c 1 3; mknod disk b 7 0; python3 ${look} bind socket
      ln file folder/twice; ln file "$2/thrice"; ln -s ../file locked/link; mkfifo locked/pipe
      setfattr -n user.a -v b file 2>/dev/null || :
      chown -h 1234:1234 out pipe whiteout socket folder; touch -h -d '2001-02-03 04:05:06.123456789' out pipe folder file .
      echo x >fixed; chattr +i fixed; echo x >grows; chattr +a grows; chattr +i locked`);
    const before = { tree: await entries(tree), outside: await entries(outside) };
    for (const id of [70_001, 70_001, 70_002, 0]) {
      await markOk(id, tree);
      const after = await entries(tree);
      expect(facts(after)).toEqual(facts(before.tree));
      expect(ids(after)).toEqual(['-', String(id)]);
      for (const [path, { flags, id: seen, facts: about }] of after) {
        const folder = about.startsWith('4');
        const kept = before.tree.get(path)?.flags ?? 0;
        if (seen !== '-') expect(flags, path).toBe(folder && id !== 0 ? kept | inherits : kept);
      }
      expect(after.get("'./locked'")?.flags).toBe(immutable | (id === 0 ? 0 : inherits));
      expect(after.get("'./grows'")?.flags).toBe(appendOnly);
      // The file with a name in the tree is the user's; all else is as it was.
      const others = await entries(outside);
      expect(others.get("'./thrice'")?.id).toBe(String(id));
      others.delete("'./thrice'");
      const same = new Map(before.outside);
      same.delete("'./thrice'");
      expect(others).toEqual(same);
    }
  });

  it('but nothing that is mounted among them', async () => {
    const { tree, outside } = await twoFolders(`
      mkdir bound memory sub; touch bound-file sub/file; mkfifo bound-pipe; ln -s x sub/link`);
    const before = await entries(outside);
    const script = `set -e; mount --bind "$2" "$1/bound"; mount -t tmpfs none "$1/memory"; touch "$1/memory/file"
      mount --bind "$2/file" "$1/bound-file"; mount --bind "$2/pipe" "$1/bound-pipe"
      timeout 20 "$3" project 70001 "$1"; ls "$1/memory" "$1/bound"`;
    const namespace = ['--mount', '--propagation', 'private', 'bash', '-c', script, 'bash'];
    await runOk('unshare', [...namespace, tree, outside, layer]);
    expect(await entries(outside)).toEqual(before);
    const after = await entries(tree);
    for (const path of ["'.'", "'./sub'", "'./sub/file'"]) expect(after.get(path)?.id, path).toBe('70001');
    // Below a mount nothing was reached.
    for (const path of ["'./bound'", "'./memory'", "'./bound-file'"]) expect(after.get(path)?.id).toBe('0');
  });

  it('while folders and files take turns with links that lead out', async () => {
    const { tree, outside } = await twoFolders(`
      mkdir -p folder/in nested/folder; for n in $(seq 200); do echo x >folder/in/$n; ln -s x nested/folder/$n; done; echo x >file`);
    const before = await entries(outside);
    const known = facts(await entries(tree)).map(([path]) => path);
    {
      await using other = new Running('python3', [look, 'flip', tree, outside], { stdio: 'pipe' });
      await other.waitForOutput('up');
      for (let round = 0; round < 60; round += 1) await markOk(70_001 + (round % 3), tree);
      other.kill('SIGKILL');
      await other.finished();
    }
    expect(await entries(outside)).toEqual(before);
    const after = await entries(tree);
    // What it held in its hand when it was killed may have another name. That "file" is there nobody promises: it may
    // have come to where a link was about to be made anew.
    const usual = ["'./file'", ...[...after.keys()].map((path) => path.replace('.aside', ''))];
    expect(known.filter((path) => path !== undefined && !usual.includes(path))).toEqual([]);
    await markOk(70_009, tree);
    expect(ids(await entries(tree))).toEqual(['-', '70009']);
    expect(await entries(outside)).toEqual(before);
  });

  it('while others come and go', async () => {
    const { tree, outside } = await twoFolders('mkdir stays; echo x >stays/file');
    const before = await entries(outside);
    await using other = new Running('python3', [look, 'vanish', tree], { stdio: 'pipe' });
    await other.waitForOutput('up');
    for (let round = 0; round < 40; round += 1) await markOk(70_001 + (round % 2), tree);
    expect(other.process.exitCode).toBe(null);
    other.kill('SIGKILL');
    await other.finished();
    const after = await entries(tree);
    expect(after.get("'./stays/file'")?.id).toBe('70002');
    expect(ids(after).filter((id) => id !== '-')).toEqual(['70002']);
    expect(await entries(outside)).toEqual(before);
  });

  it('while a folder is carried out of the tree, which ends it or not', async () => {
    const { tree, outside } = await twoFolders(
      'mkdir -p a/b/c/d; for n in $(seq 300); do ln -s x a/b/c/d/$n; done; for n in $(seq 300); do echo x >a/b/$n; done',
    );
    const before = facts(await entries(join(outside, 'folder')));
    await using other = new Running('python3', [look, 'move', tree, outside], { stdio: 'pipe' });
    await other.waitForOutput('up');
    const seen = { done: 0, refused: 0 };
    for (let round = 0; round < 60; round += 1) {
      const { code, stderr } = await mark(round % 2 === 0 ? 70_001 : 0, tree);
      if (code !== 0) expect(stderr.toString()).toMatch(/was moved while/);
      seen[code === 0 ? 'done' : 'refused'] += 1;
    }
    other.kill('SIGKILL');
    await other.finished();
    process.stderr.write(`carried out: ${JSON.stringify(seen)}\n`);
    const others = await entries(outside);
    for (const path of ["'.'", "'./file'", "'./folder'", "'./folder/in/file'"])
      expect(others.get(path)?.id, path).toBe('0');
    expect(facts(await entries(join(outside, 'folder')))).toEqual(before);
  });
});
