// A large population: 10,000 users in 200 files of conf.d. How long a check of all of it takes, and how much of a
// login it costs that nothing has changed.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeptPolicy } from '../src/daemon/policy/kept-policy.ts';
import { PolicyStore } from '../src/daemon/policy/policy-store.ts';
import type { UserRecord } from '../src/isolation/engine.ts';
import { loadAddon } from '../src/isolation/socket/seqpacket.ts';
import { createLogger } from '../src/lib/log.ts';
import { Uid } from '../src/lib/values/uid.ts';
import { buildFolder, ctlBundle, nodeProgram } from '../test/fixtures/paths.ts';
import { run } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove, summarize } from './figures.ts';

const files = 200;
const usersPerFile = 50;
const loginsPerRound = 1000;

async function writePolicy(folder: string): Promise<string> {
  const main = path.join(folder, 'dockersh.ini');
  await mkdir(path.join(folder, 'conf.d'), { mode: 0o755 });
  await writeFile(main, '[defaults]\nimage = host\n[group:lab]\nmemory = 4G\n[user:guest*]\npids = 100\n');
  for (let file = 0; file < files; file += 1) {
    const sections = Array.from({ length: usersPerFile }, (_, index) => {
      const user = file * usersPerFile + index;
      return `[user:u${user}]\nmemory = ${1 + (user % 8)}G\ncpus = 2\npids = ${100 + index}\nlinger = 1h\nenv.PROJECT = p${user}\n`;
    });
    await writeFile(path.join(folder, 'conf.d', `${String(file).padStart(3, '0')}.ini`), sections.join('\n'));
  }
  return main;
}

const account = (index: number): UserRecord => ({
  name: `u${index}`,
  uid: Uid.parse(10_000 + index),
  gid: 100,
  home: `/home/u${index}`,
  shell: '/bin/bash',
  gecos: '',
  groups: [{ gid: 100, name: 'lab' }],
});

async function checkMs(main: string): Promise<number> {
  const started = performance.now();
  const { code, stdout } = await run(nodeProgram, [ctlBundle, 'policy', 'check', main]);
  if (code !== 0) throw new Error(`policy check: ${stdout.toString().slice(-500)}`);
  return performance.now() - started;
}

/** As a login does it: has anything changed, and what may this account have. */
function loginMs(store: PolicyStore, accounts: readonly UserRecord[]): number {
  const started = performance.now();
  for (let login = 0; login < loginsPerRound; login += 1) {
    const user = accounts[login % accounts.length];
    if (store.refresh() !== undefined || user === undefined || store.evaluate(user).kind !== 'ok')
      throw new Error('something had to be waited for, or was refused');
  }
  return (performance.now() - started) / loginsPerRound;
}

export const policy: Benchmark = async (_, { rounds = 20 }) => {
  const folder = await mkdtemp('/tmp/dockersh-test-');
  try {
    const main = await writePolicy(folder);
    await sleep(100);
    loadAddon(path.join(buildFolder, 'addon.node'));
    const log = createLogger({ level: 'error' });
    await using store = await PolicyStore.open(main, log, new KeptPolicy(folder, main, log));
    store.follow(() => {});
    await store.refresh();
    const accounts = Array.from({ length: 100 }, (_unused, index) => account(index * 97));
    const checks: number[] = [];
    const first: number[] = [];
    const logins: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      checks.push(await checkMs(main));
      first.push(
        loginMs(
          store,
          Array.from({ length: loginsPerRound }, (_unused, index) => account(index)),
        ),
      );
      logins.push(loginMs(store, accounts));
    }
    const rows = [
      { name: 'policy check, whole command', ...summarize(checks) },
      { name: 'a login, account looked up anew', ...summarize(first) },
      { name: 'a login, nothing changed', ...summarize(logins) },
    ];
    return {
      benchmark: 'policy',
      title: `${files * usersPerFile} users in ${files} files`,
      unit: 'ms',
      rows,
      goals: [
        notAbove('ms for a check, below 1000', summarize(checks).median, 1000),
        notAbove('ms of a login, below 0.2', summarize(logins).median, 0.2),
      ],
      notes: ['the check prints a warning for each user, because the host has none of them'],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
