// script/side-by-side: the survey (survey.c) in dockersh and in the defaults of others of its kind, as a table.

import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { Host } from '../test/fixtures/host.ts';
import { importDebian } from '../test/fixtures/images/debian-image.ts';
import { buildFolder, checkout } from '../test/fixtures/paths.ts';
import { describeFinished, run, runOk } from '../test/fixtures/process.ts';
import { TestUser } from '../test/fixtures/users.ts';
import { as, type Contender } from './contenders.ts';
import { installedOthers } from './others.ts';
import type { Command } from './spawner.ts';

const usage = `Usage: sudo script/side-by-side [--json FILE]

Runs one program in dockersh (as it is, with root = yes, with nesting = yes) and in the defaults of bwrap,
docker, podman and systemd-nspawn, as far as they are installed, and prints what it could reach as a table in
Markdown. docker needs a running dockerd (DOCKER_HOST says where).

--json FILE   writes everything that was found there as well
`;

const paths = z.object({ all: z.int(), readable: z.array(z.string()), writable: z.array(z.string()) });
const survey = z.object({
  status: z.record(z.string(), z.string()),
  namespaces: z.record(z.string(), z.string()),
  canMake: z.array(z.string()),
  mounts: z.array(z.string()),
  proc: paths,
  sys: paths,
  dev: paths,
  calls: z.record(z.string(), z.array(z.int())),
});
type Survey = z.infer<typeof survey>;

async function compile(): Promise<string> {
  const program = join(buildFolder, 'bench-survey');
  const source = join(checkout, 'bench/survey.c');
  await mkdir(buildFolder, { recursive: true });
  await runOk('musl-gcc', ['-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-o', program, source]);
  return program;
}

/** The program comes by standard input: no folder of the host need be shown for it. */
const script = `for folder in /tmp /run /dev/shm "$HOME"; do
  if cat >"$folder/survey" && chmod 700 "$folder/survey" && "$folder/survey"; then exit 0; fi
done 2>/dev/null
exit 1`;

async function surveyIn(
  { uid, gid, home, name, mounts, file, args }: Command,
  input: Buffer,
): Promise<Survey> {
  const enter = mounts === undefined ? [] : ['nsenter', `--mount=${mounts}`];
  const [first = file, ...rest] = [...enter, file, ...args];
  const env = { ...process.env, HOME: home, USER: name, LOGNAME: name };
  const result = await run(first, rest, { uid, gid, env, input, timeoutMs: 120_000 });
  if (result.code !== 0) throw new Error(describeFinished(result));
  return survey.parse(JSON.parse(result.stdout.toString()));
}

const bits = (hex: string | undefined): number => {
  let count = 0;
  for (let rest = BigInt(`0x${hex ?? '0'}`); rest > 0n; rest >>= 1n) count += Number(rest & 1n);
  return count;
};

interface Line {
  readonly title: string;
  /** A number where less is tighter. */
  readonly of: (found: Survey) => number | string;
}

const calls = (abi: string): Line['of'] => {
  return ({ calls: answered }) => answered[abi]?.length ?? 0;
};
/** Fields of a line of mountinfo (proc_pid_mountinfo(5)). */
const optionsOf = (line: string): readonly string[] => line.split(' ')[5]?.split(',') ?? [];
const mountsWithout = (...options: readonly string[]): Line['of'] => {
  return ({ mounts }) =>
    mounts.filter((line) => options.every((option) => !optionsOf(line).includes(option))).length;
};

function linesFor(host: Survey): Line[] {
  return [
    { title: 'system calls that are answered', of: calls('native') },
    { title: 'of 32-bit programs', of: calls('i386') },
    { title: 'capabilities in effect', of: ({ status }) => bits(status['CapEff']) },
    { title: 'in the bounding set', of: ({ status }) => bits(status['CapBnd']) },
    { title: 'no_new_privs', of: ({ status }) => (status['NoNewPrivs'] === '1' ? 'yes' : 'no') },
    { title: 'readable files of /proc', of: ({ proc }) => proc.readable.length },
    { title: 'of /sys', of: ({ sys }) => sys.readable.length },
    { title: 'writable files of /proc', of: ({ proc }) => proc.writable.length },
    { title: 'of /sys', of: ({ sys }) => sys.writable.length },
    { title: 'devices', of: ({ dev }) => new Set([...dev.readable, ...dev.writable]).size },
    { title: 'mounts', of: ({ mounts }) => mounts.length },
    { title: 'writable', of: mountsWithout('ro') },
    { title: 'without nosuid', of: mountsWithout('nosuid') },
    { title: 'without nodev', of: mountsWithout('nodev') },
    {
      title: 'namespaces shared with the host',
      of: ({ namespaces }) => {
        const shared = Object.keys(namespaces).filter((name) => namespaces[name] === host.namespaces[name]);
        return shared.length === 0 ? 'none' : shared.join(' ');
      },
    },
    { title: 'namespaces that can be made', of: ({ canMake }) => canMake.join(' ') || 'none' },
  ];
}

function table(found: ReadonlyMap<string, Survey>, host: Survey): string {
  const row = (cells: readonly (number | string)[]): string => `| ${cells.join(' | ')} |\n`;
  const names = [...found.keys()];
  const head = row(['', ...names]) + row(['---', ...names.map(() => '---')]);
  const lines = linesFor(host).map(({ title, of }) => row([title, ...[...found.values()].map(of)]));
  return head + lines.join('');
}

const ownKinds = {
  dockersh: {},
  'dockersh, root': { root: 'yes' },
  'dockersh, nesting': { root: 'yes', nesting: 'yes' },
};

/** With its own daemon; each kind is a user's. */
async function surveyOurs(input: Buffer, found: Map<string, Survey>): Promise<void> {
  await using host = await Host.start();
  await using users = new AsyncDisposableStack();
  for (const [kind, settings] of Object.entries(ownKinds)) {
    const user = users.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
    const image = 'root' in settings ? await importDebian(host) : 'host';
    await host.setPolicy({ defaults: { image }, users: { [user.name]: settings } });
    const args = 'root' in settings ? ['-c', 'exec sudo -n sh -c "$0"', script] : ['-c', script];
    found.set(kind, await surveyIn(as(user, host.client, args), input));
    await host.ctlOk('stop', user.name);
  }
}

async function surveyOthers(input: Buffer, found: Map<string, Survey>): Promise<string[]> {
  await using stack = new AsyncDisposableStack();
  const account = stack.use(await TestUser.create({ shell: '/bin/bash' }));
  const { contenders, absent } = await installedOthers(account, stack);
  const missing = absent.filter((line) => !line.startsWith('crun:'));
  for (const contender of contenders) {
    if (contender.name === 'crun') continue; // its default has no folder that the program could be put into
    try {
      found.set(contender.name, await surveyIn(commandOf(contender), input));
    } catch (error) {
      missing.push(`${contender.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return missing;
}

function commandOf({ cold, warm }: Contender): Command {
  const command = (cold ?? warm)?.(script);
  if (command === undefined) throw new Error('it runs no command');
  return command;
}

/** What the host's own namespaces are; its calls and files are not asked for. */
async function hostSurvey(): Promise<Survey> {
  const names = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'];
  const links = await Promise.all(names.map(async (name) => [name, await readlink(`/proc/self/ns/${name}`)]));
  const none = { all: 0, readable: [], writable: [] };
  const empty = { status: {}, canMake: [], mounts: [], proc: none, sys: none, dev: none, calls: {} };
  return { ...empty, namespaces: Object.fromEntries(links) as Record<string, string> };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const input = await readFile(await compile());
  const found = new Map<string, Survey>();
  await surveyOurs(input, found);
  const missing = await surveyOthers(input, found);
  process.stdout.write(table(found, await hostSurvey()));
  for (const line of missing) process.stdout.write(`\nnot compared: ${line}`);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(Object.fromEntries(found)));
  return 0;
}

process.exitCode = await main();
