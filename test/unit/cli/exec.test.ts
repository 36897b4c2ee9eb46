// exec with stand-ins for dockersh-exec: shell scripts that show what they were given.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../../src/cli/sandbox/exec.ts';
import { cli } from './fake-daemon.ts';

const main = join(import.meta.dirname, '../../../src/cli/main.ts');
let folder: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
});
afterEach(async () => {
  // A test that failed half-way must not leave the stand-in running, which has our descriptors.
  for (const child of started.splice(0)) child.kill('SIGTERM');
  await rm(folder, { recursive: true });
});

async function standIn(script: string): Promise<string> {
  const path = join(folder, 'dockersh-exec');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** dockershctl as a process of its own: exec hands on its descriptors, which this process keeps. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [main, 'exec', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout }));
  });
  return { child, ended };
}

describe('exec', () => {
  it('passes user, arguments and streams on as they are', async () => {
    const path = await standIn('for a; do printf "<%s>" "$a"; done; cat');
    const { child, ended } = start(['--program', path, 'ada', '--', 'ls', '-l', '--json', 'a b', '--', '']);
    child.stdin.end('input');
    expect(await ended).toEqual({ code: 0, stdout: '<ada><ls><-l><--json><a b><--><>input' });
  });

  it('goes to the daemon whose socket is named', async () => {
    const path = await standIn('printf "<%s>" "$@"');
    const { child, ended } = start(['--socket', '/some/where/admin.sock', '--program', path, 'ada']);
    child.stdin.end();
    expect(await ended).toEqual({ code: 0, stdout: '<--socket></some/where/exec.sock><ada>' });
  });

  it('passes the exit status on', async () => {
    expect((await cli(['exec', '--program', await standIn('exit 7'), 'ada', '--', 'x'])).status).toBe(7);
  });

  it('ends with 128+n after signal n', async () => {
    expect((await cli(['exec', '--program', await standIn('kill -9 $$'), 'ada'])).status).toBe(137);
  });

  it('forwards signals', async () => {
    const path = await standIn('trap "exit 9" TERM; echo on; while :; do sleep 0.01; done');
    const { child, ended } = start(['--program', path, 'ada']);
    child.stdout.once('data', () => child.kill('SIGTERM'));
    expect(await ended).toEqual({ code: 9, stdout: 'on\n' });
  });

  it('says what cannot be started', async () => {
    const { status, stderr } = await cli(['exec', '--program', '/nonexistent', 'ada']);
    expect(status).toBe(71);
    expect(stderr).toContain('/nonexistent could not be started');
  });
});

describe('findProgram', () => {
  it('finds the one beside the bundle first, then that of a checkout', async () => {
    await mkdir(join(folder, 'dist'));
    await mkdir(join(folder, 'build'));
    const dist = join(folder, 'dist');
    expect(findProgram(dist)).toBe(join(dist, 'dockersh-exec'));
    await writeFile(join(folder, 'build/dockersh-exec'), '', { mode: 0o755 });
    expect(findProgram(dist)).toBe(join(folder, 'build/dockersh-exec'));
    await writeFile(join(dist, 'dockersh-exec'), '', { mode: 0o755 });
    expect(findProgram(dist)).toBe(join(dist, 'dockersh-exec'));
  });
});
