// The man page and the completions, made from the program's own definitions; the completions with a stand-in for
// dockershctl that has three images.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync('/tmp/dockersh-test-');
  for (const script of ['gen-man.ts', 'gen-completions.ts'])
    execFileSync(process.execPath, [path.join(root, 'script', script), folder]);
  const images = ['host', 'debian:trixie', 'debian:bookworm'].join('\\n');
  writeFileSync(path.join(folder, 'dockershctl'), `#!/bin/sh\nprintf '${images}\\n'\n`, { mode: 0o755 });
  writeFileSync(path.join(folder, 'archive.tar'), '');
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('completion in bash', () => {
  /** The words as bash splits them: a colon is a word of its own. */
  function complete(...words: string[]): string[] {
    const script = `source ./dockershctl.bash
      COMP_WORDS=(dockershctl "$@"); COMP_CWORD=$#; _dockershctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${folder}:/usr/bin:/bin` };
    const output = execFileSync('/bin/bash', ['--norc', '-c', script, 'bash', ...words], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return output
      .toString()
      .split('\n')
      .filter((line) => line !== '');
  }

  it.each(['push', 'export', 'save', 'tag', 'history', 'inspect', 'rm', 'remove', 'import', 'pull'])(
    'gives images for image %s',
    (verb) => {
      expect(complete('image', verb, 'h')).toEqual(['host']);
      expect(complete('--json', 'image', verb, 'deb')).toEqual(['debian:trixie', 'debian:bookworm']);
      expect(complete('image', verb, 'debian', ':')).toEqual(['trixie', 'bookworm']);
      expect(complete('image', verb, 'debian', ':', 'bo')).toEqual(['bookworm']);
    },
  );

  it('gives what each operand is, wherever it stands', () => {
    expect(complete('image', 'import', 'base', 'arch')).toEqual(['archive.tar']);
    expect(complete('image', 'import', 'base', ':', '1', 'arch')).toEqual(['archive.tar']);
    expect(complete('image', 'import', '--progress', 'plain', 'base', 'arch')).toEqual(['archive.tar']);
    expect(complete('image', 'load', 'arch')).toEqual(['archive.tar']);
    expect(complete('image', 'export', 'host', 'arch')).toEqual(['archive.tar']);
    expect(complete('image', 'tag', 'host', 'deb')).toEqual(['debian:trixie', 'debian:bookworm']);
    expect(complete('commit', 'root', 'ho')).toEqual(['host']);
    expect(complete('stop', 'root', 'roo')).toEqual(['root']);
    expect(complete('user', 'enable', 'roo')).toEqual(['root']);
    expect(complete('user', 'rescue', 'root', '')).toEqual(['on', 'off']);
    expect(complete('maintenance', 's')).toEqual(['status']);
    expect(complete('image', 'rm', 'host', 'h')).toEqual([]);
  });

  it('gives verbs, options and their values as before', () => {
    expect(complete('image', 'imp')).toEqual(['import']);
    expect(complete('image', 'export', '--fo')).toEqual(['--format']);
    expect(complete('image', 'export', '--format', 'd')).toEqual(['docker']);
  });
});

describe('the man page of dockershctl', () => {
  const page = (): string => readFileSync(path.join(folder, 'dockershctl.8'), 'utf8');

  it('keeps the case of what is to be typed', () => {
    for (const typed of ['debian:trixie, ', 'linux/arm64 ', 'oci: ', 'private: ', 'cpu, memory', "sshd's "])
      expect(page()).toContain(`\n${typed}`);
    expect(page()).toContain('\nName of the account.');
  });

  it('names the choices of an argument, and no empty default', () => {
    expect(page()).toContain('\\fBmaintenance\\fR [\\fIoptions\\fR] \\fBon\\fR|\\fBoff\\fR|\\fBstatus\\fR');
    expect(page()).not.toContain('Default: .');
  });
});
