// The image `host`: the parts of this host that it shows, and those that it never shows.

import { spawnSync } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ResolvedImage } from '../../../src/images/store/image-store.ts';
import { program } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await scratch[Symbol.asyncDispose]();
});

function treeOf(image: ResolvedImage | undefined): string {
  return image?.layers[0]?.path ?? '';
}

/** The names below a folder, with their kind and mode; links are not followed. */
async function listing(tree: string, below = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const base of (await readdir(path.join(tree, below))).sort()) {
    const name = path.join(below, base);
    const stats = await lstat(path.join(tree, name));
    const link = stats.isSymbolicLink() ? ` -> ${await readlink(path.join(tree, name))}` : '';
    found[name] = `${(stats.mode & 0o7777).toString(8)}${stats.isDirectory() ? '/' : ''}${link}`;
    if (stats.isDirectory()) Object.assign(found, await listing(tree, name));
  }
  return found;
}

/** Time passes for the store, not for the test. */
function letPass(ms: number): void {
  const then = performance.now() + ms;
  vi.spyOn(performance, 'now').mockReturnValue(then);
}

describe('of this machine', () => {
  it('is there at once, under its reserved name', async () => {
    await using store = await scratch.openStore({ hostRoot: '/' });
    const image = await store.resolve('host');
    expect(image?.digest).toMatch(/^virtual:host:[0-9a-f]{32}$/);
    expect(image?.layers).toEqual([{ path: treeOf(image), idmapped: true }]);
    expect(image?.binds).toContainEqual({ source: '/usr', target: '/usr' });
    expect(await store.resolve('host:latest')).toEqual(image);
    expect(await store.resolve('host:other')).toBeUndefined();
    expect((await store.list())[0]).toMatchObject({ name: 'host', virtual: true, digest: image?.digest });
  });

  it('holds no secret, no account and nothing that not everybody may read', async () => {
    await using store = await scratch.openStore({ hostRoot: '/' });
    const tree = treeOf(await store.resolve('host'));
    const files = await listing(tree);
    const forbidden =
      /(^|\/)(g?shadow-?|passwd-?|group-?|sudoers|sudoers\.d|ssh_host_.*|private|crontab|fstab|machine-id|hosts|resolv\.conf|hostname|subuid|subgid|pam\.d|environment|systemd)$/;
    // Names of kinds of links, not of people.
    const harmless = ['etc/iproute2/group'];
    const names = Object.keys(files).filter((name) => forbidden.test(name));
    expect(names.filter((name) => !harmless.includes(name))).toEqual([]);
    for (const name of Object.keys(files)) {
      const copy = await lstat(path.join(tree, name));
      expect([copy.uid, copy.gid, copy.mode & 0o6000], name).toEqual([0, 0, 0]);
      const original = await lstat(`/${name}`).catch(() => undefined);
      if (copy.isFile() && original?.isFile() === true && name !== 'etc/nsswitch.conf') {
        expect(original.mode & 0o004, name).toBe(0o004);
      }
    }
    expect(Object.keys(files).filter((name) => /^(home|root|srv|opt|mnt|media|boot)\/./.test(name))).toEqual(
      [],
    );
    const nsswitch = await readFile(path.join(tree, 'etc/nsswitch.conf'), 'utf8');
    expect(nsswitch).toMatch(/^passwd: files$/m);
    expect(nsswitch).toMatch(/^hosts: files dns$/m);
  });

  it('is a root filesystem that programs run in', async () => {
    await using store = await scratch.openStore({ hostRoot: '/' });
    const tree = treeOf(await store.resolve('host'));
    const script =
      'mount --bind /usr "$1/usr" && chroot "$1" /bin/sh -c "cat /etc/os-release; ls /; bash -lc true"';
    const ran = spawnSync(program('unshare'), ['-m', 'sh', '-ec', script, 'sh', tree], { encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toContain('PRETTY_NAME');
  });
});

describe('of a made-up host', () => {
  let host: string;
  beforeEach(async () => {
    host = scratch.path('host');
    for (const name of ['usr/bin', 'lib', 'etc/profile.d', 'etc/ssl/certs', 'etc/ssl/private', 'etc/ssh']) {
      await mkdir(`${host}/${name}`, { recursive: true });
    }
    await symlink('usr/bin', `${host}/bin`);
    const files: Readonly<Record<string, number>> = {
      'etc/profile': 0o644,
      'etc/shadow': 0o640,
      'etc/inputrc': 0o600,
      'etc/profile.d/secret.sh': 0o640,
      'etc/profile.d/open.sh': 0o6777,
      'etc/ssl/certs/ca.crt': 0o644,
      'etc/ssl/private/key': 0o644,
      'etc/ssh/ssh_config': 0o644,
      'etc/ssh/ssh_host_key': 0o644,
    };
    for (const [name, mode] of Object.entries(files)) {
      await writeFile(`${host}/${name}`, 'x');
      await chmod(`${host}/${name}`, mode);
    }
    await symlink('../shadow', `${host}/etc/profile.d/link`);
    await symlink('/etc/ssh', `${host}/etc/skel`);
    spawnSync(program('mkfifo'), [`${host}/etc/profile.d/pipe`]);
    await writeFile(
      `${host}/etc/passwd`,
      'root:hash:0:0:root:/root:/bin/bash\nalice:x:1000:1000:Alice:/home/alice:/bin/bash\nnobody:x:65534:65534::/:/sbin/nologin\n+::::::\n',
    );
    await writeFile(`${host}/etc/group`, 'root:x:0:\nsudo:x:27:alice\nalice:x:1000:\n');
  });

  it('shows what everybody may read of the listed files, and nothing else', async () => {
    await using store = await scratch.openStore({ hostRoot: host });
    const image = await store.resolve('host');
    const files = await listing(treeOf(image));
    const etc = Object.entries(files).filter(([name]) => name.startsWith('etc/'));
    expect(Object.fromEntries(etc)).toEqual({
      'etc/mtab': '777 -> ../proc/self/mounts',
      'etc/nsswitch.conf': '644',
      'etc/profile': '644',
      'etc/profile.d': '755/',
      'etc/profile.d/link': '777 -> ../shadow',
      'etc/profile.d/open.sh': '755',
      'etc/skel': '777 -> /etc/ssh',
      'etc/ssh': '755/',
      'etc/ssh/ssh_config': '644',
      'etc/ssl': '755/',
      'etc/ssl/certs': '755/',
      'etc/ssl/certs/ca.crt': '644',
    });
    expect(files).toMatchObject({ bin: '777 -> usr/bin', lib: '755/', tmp: '1777/', root: '700/' });
    expect(image?.binds).toEqual([
      { source: `${host}/usr`, target: '/usr' },
      { source: `${host}/lib`, target: '/lib' },
    ]);
    expect(image?.passwd).toBe('root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/sbin/nologin\n');
    expect(image?.group).toBe('root:x:0:\nsudo:x:27:\n');
  });

  it('shows what came with a package, and links to it, but never what is not for sandboxes', async () => {
    const files: Readonly<Record<string, string>> = {
      'var/lib/dpkg/info/a.conffiles':
        '/etc/wand/policy.xml\nremove-on-upgrade /etc/wand/gone\n/etc/tool/closed.conf\n/etc/tool/deep/x.conf\n',
      'var/lib/dpkg/info/b.conffiles':
        '/etc/ssh/sshd_config\n/etc/default/daemon\n/etc/pam.d/su\n/etc/../root/x\n/etc/passwd\n',
      'var/lib/ucf/registry': 'php \t /etc/php/mods-available/a.ini\n',
      'etc/wand/policy.xml': 'strict',
      'etc/wand/local.xml': 'of the administrator',
      'etc/tool/deep/x.conf': 'x',
      'etc/php/mods-available/a.ini': 'x',
      'etc/ssh/sshd_config': 'x',
      'etc/default/daemon': 'x',
      'etc/pam.d/su': 'x',
      'root/x': 'x',
      'var/lib/texmf/web2c/pdflatex.fmt': 'x',
      'var/cache/man/index.db': 'x',
    };
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(`${host}/${name}`), { recursive: true });
      await writeFile(`${host}/${name}`, text);
    }
    await writeFile(`${host}/etc/tool/closed.conf`, 'secret', { mode: 0o640 });
    await mkdir(`${host}/etc/php/conf.d`);
    await symlink('../mods-available/a.ini', `${host}/etc/php/conf.d/a.ini`);
    await symlink('/usr/share/php/b.ini', `${host}/etc/php/conf.d/b.ini`);
    await symlink('/etc/shadow', `${host}/etc/php/conf.d/c.ini`);
    await symlink('/srv/customer.ini', `${host}/etc/php/conf.d/d.ini`);
    await chmod(`${host}/var/cache/man`, 0o777);
    await using store = await scratch.openStore({ hostRoot: host });
    const image = await store.resolve('host');
    const shown = await listing(treeOf(image));
    expect(
      Object.keys(shown).filter((name) => /^etc\/(wand|tool|php|ssh\/|default|pam|passwd|root)/.test(name)),
    ).toEqual([
      'etc/php',
      'etc/php/conf.d',
      'etc/php/conf.d/a.ini',
      'etc/php/conf.d/b.ini',
      'etc/php/mods-available',
      'etc/php/mods-available/a.ini',
      'etc/ssh/ssh_config',
      'etc/tool',
      'etc/tool/deep',
      'etc/tool/deep/x.conf',
      'etc/wand',
      'etc/wand/policy.xml',
    ]);
    expect(image?.binds).toContainEqual({ source: `${host}/var/lib/texmf`, target: '/var/lib/texmf' });
    // Whoever may write there could hand it to everybody.
    expect(image?.binds.map(({ target }) => target)).not.toContain('/var/cache/man');
  });

  it('shows what is mounted below a folder as another one', async () => {
    await mkdir(`${host}/usr/local/a b`, { recursive: true });
    await runOk('mount', ['-t', 'tmpfs', 'none', `${host}/usr/local/a b`]);
    try {
      await using store = await scratch.openStore({ hostRoot: host });
      expect((await store.resolve('host'))?.binds).toEqual([
        { source: `${host}/usr`, target: '/usr' },
        { source: `${host}/usr/local/a b`, target: '/usr/local/a b' },
        { source: `${host}/lib`, target: '/lib' },
      ]);
    } finally {
      await runOk('umount', [`${host}/usr/local/a b`]);
    }
  });

  it('follows the host, while running sandboxes keep what they have', async () => {
    const inUse = new Set<string>();
    await using store = await scratch.openStore({ hostRoot: host, inUse: () => inUse });
    const first = await store.resolve('host');
    await writeFile(`${host}/etc/profile`, 'changed');
    letPass(2500);
    const second = await store.resolve('host');
    expect(second?.digest).not.toBe(first?.digest);
    expect(await readFile(`${treeOf(second)}/etc/profile`, 'utf8')).toBe('changed');
    expect(await readFile(`${treeOf(first)}/etc/profile`, 'utf8')).toBe('x');
    inUse.add(treeOf(first));
    await store.collectGarbage();
    expect(await readdir(scratch.path('store/host'))).toHaveLength(2);
    inUse.clear();
    await store.collectGarbage();
    expect(await readdir(scratch.path('store/host'))).toEqual([path.basename(treeOf(second))]);
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
  });

  it('notices new accounts without a new layer, and changes deeper down a little later', async () => {
    await using store = await scratch.openStore({ hostRoot: host });
    const first = await store.resolve('host');
    await writeFile(`${host}/etc/group`, 'root:x:0:\ntape:x:26:\n');
    letPass(2500);
    const second = await store.resolve('host');
    expect(second).toMatchObject({ digest: first?.digest, group: 'root:x:0:\ntape:x:26:\n' });
    await writeFile(`${host}/etc/profile.d/open.sh`, 'changed');
    letPass(40_000);
    await store.resolve('host');
    await vi.waitFor(async () => expect((await store.resolve('host'))?.digest).not.toBe(first?.digest));
  });

  it('notices a change by itself while people log in, so that none of them has to look', async () => {
    await using store = await scratch.openStore({ hostRoot: host });
    await store.resolve('host');
    await writeFile(`${host}/etc/profile`, 'changed');
    await vi.waitFor(async () => expect(await readdir(scratch.path('store/host'))).toHaveLength(2), 10_000);
  });

  it('is found again by the next daemon, and made anew after a reboot', async () => {
    let tree: string;
    {
      await using store = await scratch.openStore({ hostRoot: host });
      tree = treeOf(await store.resolve('host'));
      await writeFile(`${tree}/marker`, '');
    }
    {
      await using store = await scratch.openStore({ hostRoot: host });
      expect(treeOf(await store.resolve('host'))).toBe(tree);
      expect(await readdir(tree)).toContain('marker');
    }
    await writeFile(scratch.path('store/host-boot-id'), 'another boot\n');
    await using store = await scratch.openStore({ hostRoot: host });
    expect(treeOf(await store.resolve('host'))).toBe(tree);
    expect(await readdir(tree)).not.toContain('marker');
  });
});
