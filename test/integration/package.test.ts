// The Debian package, without installing it: what is in it, what lintian says, that two builds are the same, and
// what is made from the program's own definitions (man pages, completions). test/vm installs it.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../fixtures/machine.ts';
import { checkout, nodeProgram } from '../fixtures/paths.ts';
import { describeFinished, type Finished, run, runOk } from '../fixtures/process.ts';

const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent', LC_ALL: 'C.UTF-8' };
let folder = '';
let debs: readonly string[] = [];
let tree = '';

async function build(name: string): Promise<string> {
  const output = join(folder, name);
  const result = await run(join(checkout, 'script/package'), ['--no-build', '--output', output], {
    env: { ...environment, SOURCE_DATE_EPOCH: '1790000000' },
    timeoutMs: 580_000,
  });
  if (result.code !== 0) throw new Error(describeFinished(result));
  return join(output, (await readdir(output))[0] ?? '');
}

async function inTree(program: string, args: readonly string[]): Promise<Finished> {
  return await run(program, args, { env: environment, cwd: tree });
}

async function shell(program: string, script: string): Promise<string> {
  const result = await run(program, ['-c', script], { env: { ...environment, HOME: folder } });
  if (result.code !== 0) throw new Error(describeFinished(result));
  return result.stdout.toString();
}

describe.skipIf(lacks('dpkg-deb', 'lintian', 'man', 'fish', 'zsh'))('the Debian package', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dockersh-test-package-'));
    debs = await Promise.all([build('one'), build('two')]);
    tree = join(folder, 'tree');
    await runOk('dpkg-deb', ['-R', debs[0] ?? '', tree]);
  }, 600_000);
  afterAll(async () => {
    if (folder !== '') await rm(folder, { recursive: true });
  });

  it('is the same when it is built again', async () => {
    const [one, two] = await Promise.all(debs.map((deb) => readFile(deb)));
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
  });

  it('has no error that lintian knows of', async () => {
    const result = await run('lintian', ['--allow-root', '--fail-on', 'error', debs[0] ?? ''], {
      env: environment,
      timeoutMs: 280_000,
    });
    expect(result.stdout.toString()).not.toMatch(/^E:/m);
    expect(result.code).toBe(0);
  }, 300_000);

  it('has everything that runs, and nothing that anybody but root could change', async () => {
    const { stdout } = await run('dpkg-deb', ['-c', debs[0] ?? ''], { env: environment });
    const entries = stdout.toString().trim().split('\n');
    for (const entry of entries) expect(entry).toMatch(/^.[r-][w-][xs-][r-]-[x-][r-]-[x-] root\/root /);
    expect(entries.filter((entry) => /^...s/.test(entry))).toEqual([]);
    const paths = entries.map((entry) => entry.split(/\s+/)[5]);
    for (const path of [
      './usr/bin/dockersh',
      './usr/bin/dockershctl',
      './usr/sbin/dockershd',
      './usr/lib/dockersh/node',
      './usr/lib/dockersh/dockersh-screen.js',
      './usr/lib/dockersh/dockersh-supervisor',
      './usr/lib/systemd/system/dockershd.socket',
      './etc/dockersh/dockersh.ini',
      ...['README', 'SECURITY', 'admin', 'tasks'].map((page) => `./usr/share/doc/dockersh/${page}.md.gz`),
    ]) {
      expect(paths).toContain(path);
    }
    // PID 1 of a sandbox could be traced by whoever can read its file.
    expect(entries.find((entry) => entry.endsWith('/dockersh-init'))).toMatch(/^-rwx--x--x/);
  });

  it('leaves the policy, the AppArmor profiles and the PAM service to the administrator: they are conffiles', async () => {
    expect(await readFile(join(tree, 'DEBIAN/conffiles'), 'utf8')).toBe(
      '/etc/apparmor.d/dockersh-layer\n/etc/dockersh/dockersh.ini\n/etc/pam.d/dockersh-gateway\n',
    );
  });

  it('asks before a purge removes what people have made, and takes no answer for no', async () => {
    const templates = await readFile(join(tree, 'DEBIAN/templates'), 'utf8');
    expect(templates).toMatch(/^Template: dockersh\/purge-data\nType: boolean\nDefault: false\n/);
    expect(await readFile(join(tree, 'DEBIAN/control'), 'utf8')).toMatch(/^Depends: .*debconf/m);
  });

  it('has programs that run on their own', async () => {
    const ctl = await inTree('usr/lib/dockersh/node', ['usr/lib/dockersh/dockershctl.js', '--version']);
    expect(ctl.stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    const daemon = await inTree('usr/lib/dockersh/node', ['usr/lib/dockersh/dockershd.js', '--help']);
    expect(daemon.stdout.toString()).toContain('--cgroup');
    const screen = await inTree('usr/lib/dockersh/node', ['usr/lib/dockersh/dockersh-screen.js']);
    expect([screen.code, screen.stderr.toString()]).toEqual([0, '']); // its input has ended
  });

  it("starts dockershctl from the code that V8 has made, which V8 accepts as this runtime's", async () => {
    const probe = join(folder, 'probe.cjs');
    await writeFile(
      probe,
      `const vm = require('node:vm');
       const Real = vm.Script;
       vm.Script = class extends Real {
         constructor(...args) { super(...args); console.log('rejected:', this.cachedDataRejected); }
       };
       require(process.argv[2]);`,
    );
    const program = join(tree, 'usr/lib/dockersh/dockershctl.js');
    const { stdout } = await inTree('usr/lib/dockersh/node', [probe, program, '--version']);
    expect(stdout.toString()).toContain('rejected: false');
  });

  it('has man pages that groff has nothing to say about', async () => {
    await mkdir(join(folder, 'man'));
    for (const page of ['man1/dockersh.1', 'man5/dockersh.ini.5', 'man8/dockershctl.8', 'man8/dockershd.8']) {
      const file = join(tree, `usr/share/man/${page}.gz`);
      const { stdout, stderr } = await run('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', file], {
        env: { ...environment, MANROFFSEQ: '', MANWIDTH: '80' },
      });
      expect(stderr.toString()).toBe('');
      expect(stdout.length).toBeGreaterThan(1_000);
      expect(stdout.toString()).not.toMatch(/@[A-Z_]+@/);
    }
  });

  it('describes every key and every command in a man page', async () => {
    const page = async (name: string): Promise<string> =>
      await shell('bash', `MANWIDTH=200 man -l '${tree}/usr/share/man/${name}.gz' | col -b`);
    const keys = await run(nodeProgram, [
      '--input-type=module',
      '--eval',
      `import { policyKeys, imagesSection } from '${checkout}/src/policy/schema.ts';
       console.log([...policyKeys, ...imagesSection.keys].join(' '));`,
    ]);
    const ini = await page('man5/dockersh.ini.5');
    for (const key of keys.stdout.toString().trim().split(' '))
      expect(ini).toMatch(new RegExp(`^ +${key}\\b`, 'm'));
    const ctl = await page('man8/dockershctl.8');
    for (const command of ['ps', 'exec', 'image pull', 'policy check'])
      expect(ctl).toContain(`       ${command}`);
  });

  it('completes commands in bash', async () => {
    const complete = `source '${tree}/usr/share/bash-completion/completions/dockershctl'
      t() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dockershctl; echo "\${COMPREPLY[*]}"; }
      t dockershctl pol; t dockershctl --json image imp; t dockershctl image pull --progress t; t dockershctl stop roo
      t dockershctl ps x; t dockershctl image pull --a`;
    expect((await shell('bash', complete)).split('\n')).toEqual([
      'policy',
      'import',
      'tty',
      'root',
      '',
      '--as',
      '',
    ]);
  });

  it('completes commands in fish', async () => {
    const complete = `source '${tree}/usr/share/fish/vendor_completions.d/dockershctl.fish'
      complete -C 'dockershctl pol'; complete -C 'dockershctl image imp'; complete -C 'dockershctl stop roo'`;
    expect((await shell('fish', complete)).split('\n').map((line) => line.split('\t')[0])).toEqual([
      'policy',
      'import',
      'root',
      '',
    ]);
  });

  it('completes commands in zsh', async () => {
    const file = join(folder, 'complete.zsh');
    await writeFile(
      file,
      `zmodload zsh/zpty
       zpty shell 'TERM=dumb zsh -f -i'
       zpty -w shell 'unsetopt zle_bracketed_paste; fpath=(${tree}/usr/share/zsh/vendor-completions $fpath)'
       zpty -w shell 'autoload -Uz compinit && compinit -u -D; echo re""ady'
       zpty -r -m shell text '*ready*'
       zpty -n -w shell $'dockershctl image imp\\tX'
       zpty -r -m shell text '*import*X*' && print completed
       zpty -d shell`,
    );
    expect(await shell('zsh', `source '${file}'`)).toContain('completed');
  }, 30_000);
});
