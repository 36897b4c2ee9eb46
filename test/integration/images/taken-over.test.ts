// Attacks from within what reads strangers' bytes, as if taken over by them: behind its walls it reaches no other file,
// program, socket or process; nor does what tries the kernel. The programs are dockersh-layer and dockersh-probe with nothing but
// attacks in the place of their jobs (native/test/taken_over.c).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildFolder, nativeFolder } from '../../fixtures/paths.ts';

let folder: string;
let program: string;
let probe: string;
let victim: ChildProcess;
const servers: Server[] = [];
let env: Record<string, string>;

async function listen(place: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.end()).unref();
  await new Promise<void>((resolve) => server.listen(place, resolve));
  servers.push(server);
  return server;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-'));
  program = join(folder, 'build/dockersh-layer');
  probe = join(folder, 'build/dockersh-probe');
  const make = ['-C', nativeFolder, `BUILD=${join(folder, 'build')}`, 'TAKEN_OVER=yes', program, probe];
  const made = spawnSync('make', make, { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  victim = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const address = (await listen({ port: 0, host: '127.0.0.1' })).address();
  await listen({ path: join(folder, 'socket') });
  env = {
    VICTIM_FILE: join(folder, 'victim'),
    VICTIM_FOLDER: join(folder, 'job/below'),
    VICTIM_PID: String(victim.pid),
    VICTIM_PORT: String(typeof address === 'object' ? address?.port : ''),
    VICTIM_SOCKET: join(folder, 'socket'),
  };
}, 120_000);

afterAll(async () => {
  for (const server of servers) server.close();
  victim.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await rm(join(folder, 'job'), { recursive: true, force: true });
  for (const name of ['read', 'below', 'new']) await mkdir(join(folder, 'job', name), { recursive: true });
  await rm(join(folder, 'victim.new'), { force: true });
  await writeFile(join(folder, 'victim'), 'secret');
});

const at = (name: string): string => join(folder, 'job', name);
const jobs: Record<string, () => string[]> = {
  list: () => ['list'],
  pack: () => ['pack', at('read')],
  'pack of a user’s layer': () => ['pack', '--overlay', 'yes', at('read')],
  chain: () => ['chain', at('new/out'), at('read'), at('below')],
  unpack: () => ['unpack', at('new')],
};
/** Of those on trees of users' own, as deep as they like: files are not walled off, only everything else. */
const jobsOnTrees: Record<string, () => string[]> = {
  diff: () => ['diff', at('read'), at('below')],
  copy: () => ['copy', at('read'), at('new/out')],
  follow: () => ['follow', at('read'), at('new/out')],
  usage: () => ['usage', at('read')],
  project: () => ['project', '4026531840', at('read')],
  remove: () => ['remove', at('new/out')],
};

/** What was tried, with what came of it. */
function tries(
  args: readonly string[],
  more: Record<string, string> = {},
  from: string = program,
): Map<string, string> {
  const { stderr } = spawnSync(from, args, { input: '', encoding: 'utf8', env: { ...env, ...more } });
  expect(stderr).toContain('tried everything');
  const lines = stderr.split('\n').filter((line) => line.includes(': '));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
  );
}

/** In the order of how far a try came: not to the thing, or refused by it. */
const refusals = ['Operation not permitted', 'Permission denied'];

describe('a job that is taken over', () => {
  it('would reach all of it without its walls', () => {
    const found = tries(['list'], { NO_WALL: 'yes' });
    const done = [...found].filter(([, result]) => result === 'DONE').map(([name]) => name);
    for (const name of [
      ...[
        'read a file',
        'write to a file',
        'truncate a file',
        'rename a file',
        'list a folder',
        'open a device',
      ],
      ...[
        'connect to a port',
        'connect to a socket',
        'signal a process',
        'run a program',
        'make a user namespace',
      ],
    ]) {
      expect(done).toContain(name);
    }
  });

  it.each(Object.keys(jobs))('%s: reaches nothing', async (job) => {
    const found = tries(jobs[job]?.() ?? []);
    expect(found.size).toBe(34);
    // Where the folder is its whole file system, other files are not even there, and the PID namespace ends with its
    // first process: with it whoever is about to run something, and nobody comes after; where it could make no link, there is
    // none to follow; and Landlock calls a link that would widen the rights to a file one between devices.
    const others = job === 'unpack' ? ['No such file or directory', 'Out of memory', 'Killed'] : [];
    const ofLinks: Record<string, string> = {
      'read by a link': 'No such file or directory',
      'link a file in': 'Cross-device link',
    };
    for (const [name, result] of found) {
      expect([...refusals, ...others, ofLinks[name]], `${name}: ${result}`).toContain(result);
    }
    expect(await readFile(join(folder, 'victim'), 'utf8')).toBe('secret');
    expect(existsSync(join(folder, 'victim.new'))).toBe(false);
    expect(victim.exitCode).toBeNull();
    expect(victim.signalCode).toBeNull();
  });

  it.each(Object.keys(jobsOnTrees))('%s: runs, reaches, mounts and traces nothing', async (job) => {
    const found = tries(jobsOnTrees[job]?.() ?? []);
    expect(found.size).toBe(34);
    const ofOthers =
      /port|socket|trace|read a process|write to a process|signal|program|mount|bind|file system|namespace|root|memory/;
    const names = [...found.keys()].filter((name) => ofOthers.test(name));
    expect(names).toHaveLength(20);
    for (const name of names) expect(refusals, `${name}: ${found.get(name)}`).toContain(found.get(name));
    // Marking makes anew what is there, root's devices among it.
    if (job !== 'project') expect(refusals).toContain(found.get('make a device of characters'));
  });
});

describe('dockersh-probe', () => {
  const args = (): string[] => [at('new'), '-'];

  it('runs, connects to, traces and signals nothing, and mounts where nobody else sees it', async () => {
    const found = tries(args(), {}, probe);
    const names = [...found.keys()].filter((name) =>
      /port|socket|trace|read a process|write to a process|signal|program|root|memory/.test(name),
    );
    expect(names).toHaveLength(13);
    for (const name of names) expect(refusals, `${name}: ${found.get(name)}`).toContain(found.get(name));
    expect(found.get('bind')).toBe('DONE');
    expect(await readdir(at('below'))).toEqual([]);
  });

  it('reaches nothing outside of its folder where it mounts nothing', async () => {
    const found = tries(args(), { GO_ON: 'yes' }, probe);
    expect(found.size).toBe(34);
    const others: Record<string, string> = {
      'link a file in': 'Cross-device link',
      'read by a link': 'No such file or directory',
    };
    for (const [name, result] of found) {
      expect([...refusals, others[name]], `${name}: ${result}`).toContain(result);
    }
    expect(await readFile(join(folder, 'victim'), 'utf8')).toBe('secret');
  });

  it('answers all that it is asked for behind its walls', () => {
    const whole = join(buildFolder, 'dockersh-probe');
    const { stdout, stderr, status } = spawnSync(whole, [at('new'), '-'], { encoding: 'utf8' });
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { probe: string; works: boolean; text: string });
    expect([status, stderr]).toEqual([0, '']);
    expect(answers).toHaveLength(10);
    const failed = answers.filter(({ probe, works }) => !works && probe !== 'cgroup-clone'); // it was given none
    expect(failed).toEqual([]);
  });
});
