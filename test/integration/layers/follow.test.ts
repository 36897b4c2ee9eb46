// The layer tool's copy of a tree that is in use: after the last pass it is what the tree is then, whatever changed before.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, link, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { removeFolder } from '../../../src/images/layers/program.ts';
import { type FollowingCopy, followLayer } from '../../../src/users/layer/follow.ts';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { program } from '../../fixtures/machine.ts';
import { buildLayerProgram, layerProgram, Scratch } from '../images/scratch.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  await mkdir(scratch.path('tree'));
});
afterEach(async () => {
  for (const tree of ['tree', 'copy', 'other']) await removeFolder(native, scratch.path(tree)); // too deep for others
  await scratch[Symbol.asyncDispose]();
});

const at = (path: string): string => scratch.path(`tree/${path}`);
const native = { path: layerProgram, limits: {} };
const never = new AbortController().signal;

async function follow(options: { readonly forImage?: boolean; readonly maxBytes?: number } = {}) {
  const { forImage = true, ...limits } = options; // which need not be waited for until it is on the disk
  return await followLayer({ ...native, limits }, scratch.path('tree'), scratch.path('copy'), { forImage });
}

async function taken(copy: FollowingCopy) {
  const usage = await copy.take(never);
  await copy.done();
  return usage;
}

/** With owners, modes, times, attributes, content and hard links of everything. */
function expectSame(): void {
  expect(listTree(scratch.path('copy'))).toEqual(listTree(scratch.path('tree')));
}

function shell(script: string): void {
  execFileSync('sh', ['-euc', script], {
    cwd: scratch.path('tree'),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

const first = `
  mkdir -p a/b/c d/e gone/deep
  for n in $(seq 40); do echo $n >a/b/$n; echo $n >gone/deep/$n; done
  echo one >d/file; ln d/file d/other; ln d/file a/third
  ln -s file d/link; mkfifo d/pipe; mknod d/whiteout c 0 0; ln d/whiteout a/whiteout
  setfattr -n user.note -v before d/e; setfattr -n trusted.overlay.opaque -v y d/e
  truncate -s 5M a/sparse; echo end >>a/sparse
`;

describe('a tree that changes while it is copied', () => {
  it.each([
    ['nothing', ':'],
    ['content, in place and by another file', 'echo more >>a/b/1; echo else >x; mv x a/b/2; : >a/b/3'],
    ['content of the same size and time', 'touch -r a/b/4 t; echo X >a/b/4; touch -r t a/b/4; rm t'],
    ['names', 'mv a/b z; mv d/e a/b; mv z/1 z/2; mv gone gone2'],
    ['what goes and comes', 'rm -r gone a/b/c; mkdir gone; echo new >gone/deep; rm d/pipe; mkdir d/pipe'],
    [
      'kinds',
      'rm d/link; mkdir d/link; rm -r a/b; ln -s d a/b; rm d/file; mkfifo d/file; rm d/whiteout; echo >d/whiteout',
    ],
    ['hard links', 'rm d/other; ln a/third d/fourth; rm a/third; echo two >a/third; ln a/b/5 d/five'],
    ['owners, modes and times', 'chown 12:13 a/b d/file; chmod 700 d; chmod 4755 a/b/6; touch -d @1 a/b/7 a'],
    [
      'attributes',
      'setfattr -x user.note d/e; setfattr -x trusted.overlay.opaque d/e; setfattr -n user.b -v c a/b/8',
    ],
    ['holes', 'truncate -s 9M a/sparse; truncate -s 3 a/b/9'],
    ['the root', 'chmod 711 .; setfattr -n user.root -v yes .; touch -d @5 .'],
  ])('is copied as it is at last: %s', async (_what, change) => {
    shell(first);
    await using copy = await follow();
    shell(change);
    await taken(copy);
    expectSame();
  });

  it('counts what there is at last', async () => {
    shell('mkdir a; for n in 1 2 3; do head -c 1000 /dev/zero | tr "\\\\0" x >a/$n; done; ln a/1 a/4');
    await using copy = await follow();
    shell('rm a/2; head -c 500 /dev/zero >a/5');
    expect(await taken(copy)).toMatchObject({ entries: 5, bytes: 2500 });
  });

  it('is copied with what is written by way of memory that was dirty before', async () => {
    const writer = spawn(program('python3'), ['-c', mapped, at('mapped')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const step = async (value: number) => {
        writer.stdin.write(`${value}\n`);
        await once(writer.stdout, 'data');
      };
      await step(1); // dirty, and so no later write to the page need tell anybody
      await using copy = await follow();
      await step(2);
      await taken(copy);
      expect((await readFile(scratch.path('copy/mapped'))).readUInt8(5000)).toBe(2);
      expectSame();
    } finally {
      writer.kill('SIGKILL');
    }
  });

  it('may change without rest before the last pass', async () => {
    await mkdir(at('a'));
    let wanted = true;
    const work = (async () => {
      for (let round = 0; wanted; round += 1) {
        await writeFile(at(`a/${round % 50}`), String(round));
        await rename(at(`a/${round % 50}`), at(`a/n${(round * 7) % 50}`));
        if (round % 5 === 0) await link(at(`a/n${(round * 7) % 50}`), at(`l${round}`));
        if (round % 11 === 0) await rm(at('a'), { recursive: true }).then(() => mkdir(at('a')));
        if (round % 13 === 0) await symlink(`to-${round}`, at(`s${round}`));
        await appendFile(at('log'), `${round}\n`);
      }
    })();
    try {
      await using copy = await follow();
      wanted = false;
      await work;
      await taken(copy);
      expectSame();
    } finally {
      wanted = false;
      await work;
    }
  });
});

it('leaves out for an image what lies too deep for one, but for the folder that it is in', async () => {
  shell(`python3 -c '
import os
for n in range(3000):
    os.mkdir("d"); os.chdir("d")
'; echo x >beside`);
  await using copy = await follow({ forImage: true });
  await taken(copy);
  expect(await readFile(scratch.path('copy/beside'), 'utf8')).toBe('x\n');
  await expect(
    followLayer(native, scratch.path('tree'), scratch.path('other'), { forImage: false }),
  ).rejects.toThrow(/deeper|longer than the limit/);
});

it('refuses for an image what is too much for one', async () => {
  shell('for n in 1 2 3; do head -c 40000 /dev/zero | tr "\\\\0" x >$n; done');
  await expect(follow({ forImage: true, maxBytes: 50_000 })).rejects.toMatchObject({
    code: 'E_ARCHIVE_REFUSED',
  });
});

it('ends at once when it is given up, and when the time is over', async () => {
  shell(first);
  const copy = await follow();
  await copy[Symbol.asyncDispose]();
  await expect(copy.done()).rejects.toThrow();
  await using again = await followLayer(native, scratch.path('tree'), scratch.path('again'), {
    forImage: false,
  });
  await expect(again.take(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
});

/** Maps a file of two pages, and writes a number into the second whenever one comes in. */
const mapped = `
import mmap, sys
file = open(sys.argv[1], "w+b")
file.truncate(8192)
memory = mmap.mmap(file.fileno(), 8192)
for line in sys.stdin:
    memory[5000] = int(line)
    print("done", flush=True)
`;
