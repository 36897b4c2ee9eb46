// The parts of doctor that need no host.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { statusOf } from '../../../src/cli/doctor/check.ts';
import { isOlder } from '../../../src/cli/doctor/checks/kernel.ts';
import { matchesAny } from '../../../src/cli/doctor/checks/ssh.ts';
import { checkIds } from '../../../src/cli/doctor/run.ts';
import { mountOf, parseMounts } from '../../../src/cli/host/mounts.ts';
import { shellOperand, shellWord } from '../../../src/lib/text/shell-word.ts';
import { cli } from './fake-daemon.ts';

describe('doctor', () => {
  it('has every check in the documentation, and no other', () => {
    const text = readFileSync('docs/admin.md', 'utf8');
    const section = text.slice(text.indexOf('### The checks'), text.indexOf('## sshd-config'));
    const rows = section.matchAll(/^\| ([a-z0-9, -]+) \|/gm);
    const told = [...rows].flatMap(([, ids = '']) => ids.split(', ')).filter((id) => id !== 'id');
    expect(told.filter((id) => id !== '---').sort()).toEqual([...checkIds].sort());
  });

  it('gives every check an id of its own', () => {
    expect(new Set(checkIds).size).toBe(checkIds.length);
  });

  it('ends with the worst that was found', () => {
    const status = (...states: ('ok' | 'warning' | 'critical' | 'unknown')[]) =>
      statusOf(states.map((state) => ({ state })));
    expect(status('ok')).toBe(0);
    expect(status('ok', 'unknown')).toBe(3);
    expect(status('unknown', 'warning')).toBe(1);
    expect(status('warning', 'critical', 'unknown')).toBe(2);
  });

  it('knows no other check to ignore', async () => {
    const { status, stderr } = await cli(['doctor', '--ignore', 'fs-quota,nonsense']);
    expect(status).toBe(64);
    expect(stderr).toContain('nonsense');
  });

  it('finds no account for a name that is none', async () => {
    for (const user of [
      '',
      'no:body',
      'two\nlines',
      '-x',
      '$(id)',
      'a b',
      'root@nowhere',
      String.raw`LAB\root`,
    ]) {
      expect((await cli(['doctor', `--user=${user}`])).status, user).toBe(66);
    }
  });
});

describe('versions', () => {
  it.each([
    ['5.18.19', true],
    ['5.19.0-50-generic', false],
    ['5.19', false],
    ['6.1', false],
    ['4.20', true],
    ['10.0', false],
    ['', true],
  ])('%s', (seen, older) => {
    expect(isOlder(seen, '5.19')).toBe(older);
  });
});

describe('patterns of sshd', () => {
  it.each([
    ['LD_PRELOAD', ['LD_*'], true],
    ['LD_PRELOAD', ['*'], true],
    ['LD_PRELOAD', ['*', '!LD_*'], false],
    ['LD_PRELOAD', ['LANG', 'LC_*'], false],
    ['PATH', ['P?TH'], true],
    ['PATH', ['P.TH'], false],
  ])('%s in %j', (name, patterns, matches) => {
    expect(matchesAny(name, patterns)).toBe(matches);
  });
});

describe('words of the shell', () => {
  it('are quoted where they need it', () => {
    expect(shellWord('/home/alice')).toBe('/home/alice');
    expect(shellWord("a b'$(id)")).toBe(String.raw`'a b'\''$(id)'`);
    expect(shellWord('')).toBe("''");
    expect(shellOperand('-x')).toBe('-- -x');
  });
});

describe('mounts', () => {
  const mounts = parseMounts(
    [
      '1 0 8:1 / / rw - ext4 /dev/a rw',
      '2 1 8:2 / /var rw,nosuid - xfs /dev/b rw,prjquota',
      String.raw`3 1 8:3 / /var/a\040b rw - tmpfs none rw`,
      '4 1 8:4 / /var rw - btrfs /dev/c rw',
    ].join('\n'),
  );

  it.each([
    ['/', 'ext4'],
    ['/variety', 'ext4'],
    ['/var/lib', 'btrfs'],
    ['/var/a b/c', 'tmpfs'],
  ])('%s lies on %s', (path, type) => {
    expect(mountOf(path, mounts)?.type).toBe(type);
  });
});
