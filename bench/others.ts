// The others, set up the way each one is meant to be used for a shell: a root filesystem made of the
// host's own /usr, every namespace that they offer without further set-up, no network but loopback.

import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../test/fixtures/machine.ts';
import { type Finished, Running, run, runOk, waitUntil } from '../test/fixtures/process.ts';
import { type Account, as, type Contender, root } from './contenders.ts';
import type { Command } from './spawner.ts';

/** Why a contender that is installed cannot take part. */
export class CannotTakePart extends Error {}

type Setup = (program: string, account: Account, stack: AsyncDisposableStack) => Promise<Contender>;

const setups: Record<string, Setup> = {
  bwrap: async (program, account) => {
    const args = [
      ...['--unshare-all', '--die-with-parent', '--ro-bind', '/usr', '/usr', '--ro-bind', '/etc', '/etc'],
      ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
      ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--chdir', '/', '/bin/sh', '-c'],
    ];
    const cold = (script: string) => as(account, program, [...args, script]);
    return await working({ name: 'bwrap', note: 'has no running container to enter', cold });
  },

  crun: async (program, _account, stack) => {
    const folder = await rootFilesystem(stack);
    const idle = await crunBundle(program, folder, 'idle', ['sleep', 'infinity']);
    const once = await crunBundle(program, folder, 'once', ['/bin/sh', '-c', 'true']);
    const name = `dockersh-bench-${process.pid}`;
    const mounts = await withoutHybridCgroups(stack);
    const own = ['--root', join(folder, 'state')];
    const crun = (...args: string[]): Command => ({ ...as(root, program, [...own, ...args]), mounts });
    stack.defer(async () => {
      await inNamespace(crun('delete', '--force', name));
    });
    await must(detached(crun('run', '--detach', '--bundle', idle, name), join(folder, 'log')));
    const exec = (terminal: boolean, ...args: string[]) =>
      crun('exec', '--cwd', '/', ...(terminal ? ['-t'] : []), name, ...args);
    return await working({
      name: 'crun',
      warm: (script, terminal = false) => exec(terminal, '/bin/sh', '-c', script),
      // A bundle holds its command, and no other one is asked for: streams go through the warm one.
      cold: () => crun('run', '--bundle', once, `${name}-cold`),
      prompt: () => exec(true, '/bin/bash', '-l'),
    });
  },

  docker: async (program, _account, stack) => await engine('docker', program, stack),
  podman: async (program, _account, stack) => await engine('podman', program, stack),

  'systemd-nspawn': async (program, _account, stack) => {
    const folder = join(await rootFilesystem(stack), 'rootfs');
    const args = ['--quiet', '--register=no', '--keep-unit', '--private-network', '-D', folder];
    const cold = (script: string) =>
      as(root, program, [...args, '--bind-ro=/usr', '--pipe', '/bin/sh', '-c', script]);
    return await working({ name: 'systemd-nspawn', note: 'has no running container to enter', cold });
  },
};

/** Every other contender that is installed and works here; the reasons of those that do not. */
export async function installedOthers(
  account: Account,
  stack: AsyncDisposableStack,
): Promise<{ contenders: Contender[]; absent: string[] }> {
  const contenders: Contender[] = [];
  const absent: string[] = [];
  for (const [name, setup] of Object.entries(setups)) {
    const program = findProgram(name);
    if (program === undefined) {
      absent.push(`${name}: not installed`);
      continue;
    }
    try {
      contenders.push(await setup(program, account, stack));
    } catch (error) {
      if (!(error instanceof CannotTakePart)) throw error;
      absent.push(`${name}: ${error.message}`);
    }
  }
  return { contenders, absent };
}

/** Runs a command as the stopwatch would. */
async function inNamespace(command: Command, timeoutMs = 60_000): Promise<Finished> {
  const { uid, gid, file, args, mounts } = command;
  const enter = mounts === undefined ? [] : ['nsenter', `--mount=${mounts}`];
  const [first = file, ...rest] = [...enter, file, ...args];
  const env = { PATH: process.env['PATH'], DOCKER_HOST: process.env['DOCKER_HOST'] };
  return await run(first, rest, { timeoutMs, env, ...(uid === 0 ? {} : { uid, gid }) });
}

/** With its output in a file: a container that goes on would keep a pipe open. */
function detached(command: Command, log: string): Command {
  const script = 'log=$1; shift; "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }';
  return { ...command, file: '/bin/sh', args: ['-c', script, 'sh', log, command.file, ...command.args] };
}

async function must(command: Command, timeoutMs?: number): Promise<void> {
  const result = await inNamespace(command, timeoutMs);
  if (result.code === 0) return;
  const reason = result.stderr.toString().trim().split('\n').at(-1) ?? '';
  throw new CannotTakePart(`does not work here: ${reason || `status ${String(result.code)}`}`);
}

/** The contender, if it runs a command and passes its status on. */
async function working(contender: Contender): Promise<Contender> {
  for (const command of [contender.warm?.('true'), contender.cold?.('true')]) {
    if (command !== undefined) await must(command);
  }
  return contender;
}

/**
 * A mount namespace in which the host has cgroups of version 1 alone, if it has both: crun then refuses
 * to run. What other hosts have is left as it is.
 */
async function withoutHybridCgroups(stack: AsyncDisposableStack): Promise<string> {
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; echo ready; exec sleep infinity';
  const holder = new Running('unshare', ['--mount', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stack.use(holder);
  await holder.waitForOutput('ready');
  return `/proc/${holder.pid}/ns/mnt`;
}

/** A folder with rootfs/: mount points and the symbolic links of a merged /usr. */
async function rootFilesystem(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp('/tmp/dockersh-bench-');
  stack.defer(async () => {
    await run('rm', ['-rf', '--one-file-system', folder]);
    await rm(folder, { recursive: true, force: true });
  });
  const rootfs = join(folder, 'rootfs');
  for (const name of ['usr', 'etc', 'proc', 'dev', 'sys', 'tmp', 'run', 'root']) {
    await mkdir(join(rootfs, name), { recursive: true });
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(rootfs, name));
  await writeFile(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n');
  await writeFile(join(rootfs, 'etc/os-release'), 'ID=bench\n');
  return folder;
}

async function crunBundle(
  program: string,
  folder: string,
  name: string,
  args: readonly string[],
): Promise<string> {
  const bundle = join(folder, name);
  await mkdir(bundle, { recursive: true });
  await rm(join(bundle, 'config.json'), { force: true });
  await runOk(program, ['spec'], { cwd: bundle });
  const file = join(bundle, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as {
    process: { terminal: boolean; args: readonly string[] };
    root: { path: string; readonly: boolean };
    mounts: object[];
  };
  config.process.terminal = false;
  config.process.args = args;
  config.root = { path: join(folder, 'rootfs'), readonly: true };
  config.mounts.push({ destination: '/usr', source: '/usr', type: 'none', options: ['rbind', 'ro'] });
  await writeFile(file, JSON.stringify(config));
  return bundle;
}

/** docker and podman take the same arguments as far as this goes. */
async function engine(name: string, program: string, stack: AsyncDisposableStack): Promise<Contender> {
  await must(as(root, program, ['info']), 15_000);
  const folder = await rootFilesystem(stack);
  const image = `dockersh-bench:${process.pid}`;
  const container = `dockersh-bench-${process.pid}`;
  stack.defer(async () => {
    await run(program, ['rm', '--force', container]);
    await run(program, ['rmi', '--force', image]);
  });
  await must(
    as(root, '/usr/bin/tar', ['-C', join(folder, 'rootfs'), '-cf', join(folder, 'rootfs.tar'), '.']),
  );
  await must(as(root, program, ['import', join(folder, 'rootfs.tar'), image]));
  // Some hosts allow no more open files than the engines want for every container.
  const options = [
    '--network',
    'none',
    '--ulimit',
    'nofile=1024:1024',
    '--ulimit',
    'nproc=1000:1000',
    '-v',
    '/usr:/usr:ro',
  ];
  await must(as(root, program, ['run', '-d', '--name', container, ...options, image, 'sleep', 'infinity']));
  await waitUntil(
    async () => (await run(program, ['exec', container, 'true'])).code === 0,
    `${name}'s container`,
  );
  const flags = (terminal?: boolean): string => (terminal === true ? '-it' : '-i');
  return await working({
    name,
    warm: (script, terminal) =>
      as(root, program, ['exec', flags(terminal), container, '/bin/sh', '-c', script]),
    cold: (script, terminal) =>
      as(root, program, ['run', '--rm', flags(terminal), ...options, image, '/bin/sh', '-c', script]),
    prompt: () => as(root, program, ['exec', '-it', container, '/bin/bash', '-l']),
  });
}
