// Does what docs/tasks.md says, in a fresh Debian 13: each section's commands as they stand there, one after the other, as
// somebody would who has nothing but the documents.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRootfs } from '../fixtures/images/rootfs.ts';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished } from '../fixtures/process.ts';
import { Guest } from './guest.ts';
import { debFile } from './remote.ts';

const users = ['ada', 'bob', 'cleo', 'dora'];

interface Step {
  /** To be written; undefined: the text is commands. */
  readonly file: string | undefined;
  readonly text: string;
}

/** The indented blocks of a section, in order; one after "in `FILE`:" is what the file is to hold. */
function stepsOf(document: string, heading: string): Step[] {
  const text = readFileSync(join(checkout, document), 'utf8');
  const body = text.split(`\n${heading}\n`)[1]?.split(/\n##/)[0];
  if (body === undefined) throw new Error(`${document} has no section "${heading}"`);
  const blocks = body.matchAll(/(?:in `(\/etc\/[^`]+)`:\n\n)?((?:^ {4}.*\n)+)/gm);
  return [...blocks].map(([, file, block = '']) => ({ file, text: block.replace(/^ {4}/gm, '') }));
}

const sections = [...readFileSync(join(checkout, 'docs/tasks.md'), 'utf8').matchAll(/^## (.*)$/gm)].map(
  ([, title]) => title,
);

describe('the tasks of docs/tasks.md', () => {
  let guest: Guest;
  const done: string[] = [];

  beforeAll(async () => {
    guest = await Guest.start('trixie');
    // Where the kernel's controllers are not to be had: doctor says so, and what to write.
    await guest.write(
      '/etc/dockersh/conf.d/zz-guest.ini',
      '[user:*]\nmemory = none\npids = none\ncpus = none\ndisk = none\nnetwork = none\n',
    );
    await guest.addUsers(...users);
    await makeRootfs(join(guest.root, 'srv/lab'), { files: { 'etc/release': 'one\n' } });
    await guest.enterOk('ln -s busybox /srv/lab/bin/rm');
    await guest.copyIn(debFile(), '/root/dockersh_0.1.0_amd64.deb');
  }, 180_000);
  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]();
  });

  /** Everything that is said, of all commands. */
  const follow = async (document: string, heading: string, mayFail = false): Promise<string> => {
    let said = '';
    for (const { file, text } of stepsOf(document, heading)) {
      if (file !== undefined) {
        await guest.write(file, text);
        continue;
      }
      const script = text.replace(/^apt /gm, 'DEBIAN_FRONTEND=noninteractive apt-get -y ');
      const result = await guest.enter('bash', ['-c', `cd /root; ${mayFail ? '' : 'set -e\n'}${script}`]);
      said += result.stdout.toString() + result.stderr.toString();
      if (!mayFail) expect(result.code, describeFinished(result)).toBe(0);
    }
    return said;
  };
  const task = async (title: string, mayFail = false): Promise<string> => {
    done.push(title);
    return await follow('docs/tasks.md', `## ${title}`, mayFail);
  };

  it('install it', async () => {
    const said = await task('Install it', true);
    expect(said).toMatch(/\d+ checks/);
    expect(await guest.enterOk('dockershctl version; systemctl is-active dockershd')).toContain('active');
    // The limits that this guest can't hold are set to "none" as doctor says, and it takes its word.
    const { checks } = JSON.parse(
      (await guest.enter('dockershctl', ['--json', 'doctor'])).stdout.toString(),
    ) as { checks: { id: string; state: string; found: string }[] };
    expect(checks.find(({ id }) => id === 'cgroup-limits')).toMatchObject({ state: 'ok' });
  }, 180_000);

  it('a group of students', async () => {
    const said = await task('Give a group of students their sandboxes');
    expect(said).toContain('dora has a sandbox: a login works');
    for (const user of users)
      expect(await guest.sshOk(user, 'cat /etc/release; id -Gn')).toMatch(/^one\n.*students/);
  }, 180_000);

  it('a newer image for everybody', async () => {
    await guest.write('/srv/lab/etc/release', 'two\n');
    await guest.sshOk('ada', 'echo mine >notes');
    const said = await task('Have everybody take a newer image');
    expect(said).toMatch(/ada .*newer exists/);
    await guest.enterOk('dockershctl stop --all');
    expect(await guest.sshOk('ada', 'cat /etc/release notes')).toBe('two\nmine\n');
  }, 120_000);

  it("one user's log", async () => {
    const said = await task('See what one user did');
    expect(said).toMatch(/session opened for ada from /);
    expect(said).not.toMatch(/for bob/);
  });

  it('who takes all of the machine', async () => {
    await using hog = guest.startSsh('bob', 'while :; do :; done');
    await expect
      .poll(async () => await guest.enterOk('dockershctl stats'), { timeout: 60_000 })
      .toContain('bob');
    const said = await task('Find who takes all of the machine');
    expect(said).toMatch(/^bob /m);
    // A limit that this guest can't hold is in the policy all the same; the guest's own file has the last word.
    expect(await guest.enterOk('dockershctl policy check')).not.toContain('bob.ini');
    await guest.enterOk('rm /etc/dockersh/conf.d/bob.ini');
    hog.kill('SIGKILL');
    await hog.finished();
  }, 120_000);

  it('a sandbox stopped, with a message', async () => {
    await using session = guest.startSsh('bob', 'echo in; exec sleep 1000');
    await session.waitForOutput('in');
    await task('Stop a sandbox, and say why');
    const ended = await session.finished();
    expect(ended.code).not.toBe(0);
    expect(ended.stderr.toString()).toContain('your programs took all of the machine');
  }, 120_000);

  it('a broken policy', async () => {
    await guest.write('/etc/dockersh/conf.d/wrong.ini', '[user:bob]\nmemroy = 1G\n');
    const said = await task('Mend a broken policy', true);
    expect(said).toMatch(/wrong\.ini:2.*memroy/);
    expect(said).toMatch(/last good one/);
    expect(await guest.sshOk('bob', 'cat /etc/release')).toBe('two\n');
    await guest.enterOk('rm /etc/dockersh/conf.d/wrong.ini; dockershctl policy check');
  }, 120_000);

  it('another disk', async () => {
    done.push('Move the state to another disk');
    await guest.enterOk(`mkdir /disk; mount -t tmpfs -o size=200M,mode=700 none /disk; mount --bind /disk /mnt
      echo '/disk /var/lib/dockersh none bind 0 0' >>/etc/fstab`);
    await follow('docs/admin.md', '### To another disk');
    expect(await guest.enterOk('findmnt -n -o FSTYPE /var/lib/dockersh')).toBe('tmpfs\n');
    for (const user of users) expect(await guest.sshOk(user, 'cat /etc/release')).toBe('two\n');
    expect(await guest.sshOk('ada', 'cat notes')).toBe('mine\n');
    expect(await guest.enterOk('dockershctl image verify --layers')).toMatch(/\S/);
  }, 180_000);

  it('a full disk', async () => {
    await guest.enterOk('dockershctl snapshot ada before-exam');
    await guest.sshOk('bob', 'mkdir big; cat /dev/zero >big/file; true');
    await guest.enterOk('dockershctl stop --all');
    expect(await guest.enterOk('df --output=pcent /var/lib/dockersh')).toContain('100%');
    const said = await task('Empty a full disk');
    expect(said).toMatch(/bob/);
    await guest.enterOk('dockershctl exec bob -- rm -r big');
    expect(await guest.sshOk('bob', 'cat /etc/release')).toBe('two\n');
  }, 180_000);

  it('a deleted account', async () => {
    await guest.sshOk('dora', 'echo kept >kept');
    await guest.enterOk('dockershctl stop dora');
    const said = await task('Delete an account');
    expect(said).toContain('dora');
    expect(await guest.enterOk('cat /srv/dora/home/kept')).toBe('kept\n');
    expect(await guest.enterOk('dockershctl user ls')).not.toContain('dora');
  }, 120_000);

  it('backup and restore', async () => {
    await guest.sshOk('ada', 'echo newer >notes');
    await guest.enterOk('dockershctl stop ada');
    const [first, ...rest] = stepsOf('docs/tasks.md', '## Back up one user, and restore');
    expect(rest).toEqual([]);
    const [make = '', back = '', restore = ''] = (first?.text ?? '').trimEnd().split('\n');
    done.push('Back up one user, and restore');
    await guest.enterOk(`${make}\n${back}`);
    await guest.sshOk('ada', 'rm notes; echo later >later');
    await guest.enterOk(restore);
    expect(await guest.sshOk('ada', 'cat notes; ls')).toBe('newer\nnotes\n');
    await guest.enterOk(
      'dockershctl user import /srv/backup/ada-before.tar.zst --replace /srv/backup/again.tar.zst',
    );
    expect(await guest.sshOk('ada', 'ls')).toBe('later\n');
  }, 120_000);

  it('a purge', async () => {
    const said = await task('Remove dockersh again');
    expect(said).toContain('kept in /var/lib/dockersh: what 3 accounts have in sandboxes, and 1 image');
    expect(await guest.sshOk('ada', 'cat /proc/1/comm')).toBe('systemd\n');
    expect(await guest.enterOk('ls /var/lib/dockersh/etc/conf.d')).toContain('students.ini');
    // And with the question answered.
    await guest.enterOk('apt-get install -y /root/dockersh_0.1.0_amd64.deb');
    await guest.enterOk("echo 'dockersh dockersh/purge-data boolean true' | debconf-set-selections");
    await guest.enterOk('DEBIAN_FRONTEND=noninteractive apt-get purge -y dockersh');
    expect(await guest.enterOk('find /var/lib/dockersh /etc/dockersh -mindepth 1 2>/dev/null || true')).toBe(
      '',
    );
  }, 180_000);

  it('are all of them', () => {
    expect([...done].sort()).toEqual([...sections].sort());
    expect(sections).toHaveLength(12);
  });
});
