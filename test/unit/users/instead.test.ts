// Programs that stand in place of those that can do nothing inside, and the machine-id of each user.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { crontabScript } from '../../../src/users/identity/crontab.ts';
import { programsInstead } from '../../../src/users/identity/instead.ts';
import { derivedId } from '../../../src/users/identity/machine-id.ts';

test('only what the host has, where the image shows it', () => {
  const has = (file: string): boolean => ['/usr/bin/sudo', '/bin/su'].includes(file);
  const usr = { source: '/usr', target: '/usr' };
  const bin = { source: '/bin', target: '/bin' };
  expect(programsInstead([usr, bin], has).map(({ path }) => path)).toEqual(['usr/bin/sudo', 'bin/su']);
  expect(programsInstead([usr], has).map(({ path }) => path)).toEqual(['usr/bin/sudo']);
  expect(programsInstead([], () => true)).toEqual([]);
  for (const { text } of programsInstead([usr], () => true)) {
    expect(text).toMatch(/^#!\/bin\/sh\n# .*\necho '[^']*\.' >&2\nexit 1\n$/);
  }
});

test('a crontab that works, where there is cron, whether the host has one or not', () => {
  const usr = { source: '/usr', target: '/usr' };
  const crontab = (has: boolean, cron: boolean): string | undefined =>
    programsInstead([usr], () => has, cron).find(({ path }) => path === 'usr/bin/crontab')?.text;
  expect(crontab(true, false)).toContain('nothing starts programs at a given time');
  expect(crontab(false, false)).toBeUndefined();
  expect(crontab(true, true)).toContain('.crontab');
  expect(crontab(false, true)).toBe(crontab(true, true));
});

test('that crontab does what crontab(1) does', () => {
  const home = mkdtempSync(join(tmpdir(), 'dockersh-test-'));
  try {
    const script = join(home, 'script');
    writeFileSync(script, crontabScript);
    const crontab = (args: readonly string[], input = '', env: object = {}) => {
      const { status, stdout, stderr } = spawnSync('/bin/sh', [script, ...args], {
        input,
        env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
        encoding: 'utf8',
      });
      return [status, stdout, stderr];
    };
    const job = '* * * * * echo "a b" %c\n';
    const me = spawnSync('id', ['-un'], { encoding: 'utf8' }).stdout.trim();
    expect(crontab(['-l'])).toEqual([1, '', `no crontab for ${me}\n`]);
    expect(crontab(['-'], job)).toEqual([0, '', '']);
    expect(crontab(['-l'])).toEqual([0, job, '']);
    expect(statSync(join(home, '.crontab')).mode & 0o777).toBe(0o600);
    expect(crontab(['-e'], '', { EDITOR: 'true' })).toEqual([0, '', 'No modification made\n']);
    const editor = 'sed -i s/echo/printf/';
    expect(crontab(['-e'], '', { EDITOR: editor })).toEqual([0, '', 'crontab: installing new crontab\n']);
    expect(crontab(['-l'])[1]).toBe(job.replace('echo', 'printf'));
    expect(crontab(['-e'], '', { EDITOR: 'false' })[0]).toBe(1);
    writeFileSync(join(home, 'file'), job);
    expect(crontab([join(home, 'file')])).toEqual([0, '', '']);
    expect(crontab(['-l', '-u', me])).toEqual([0, job, '']);
    for (const wrong of [[], ['-l', '-r'], ['-x'], ['-u', 'nobody-else', '-l'], [join(home, 'none')]]) {
      const [status, stdout, stderr] = crontab(wrong);
      expect([status, stdout], wrong.join(' ')).toEqual([1, '']);
      expect(stderr).toContain('usage: crontab');
    }
    expect(crontab(['-r', '-i'], 'n\n')[0]).toBe(0);
    expect(crontab(['-l'])[1]).toBe(job);
    expect(crontab(['-r'])).toEqual([0, '', '']);
    expect(crontab(['-r'])[0]).toBe(1);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('a machine-id is one of its user and host', () => {
  const ids = [
    derivedId('a', 1, 'ada'),
    derivedId('b', 1, 'ada'),
    derivedId('a', 2, 'ada'),
    derivedId('a', 1, 'eve'),
  ];
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  expect(derivedId('a', 1, 'ada')).toBe(ids[0]);
});
