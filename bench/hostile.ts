// Measures how long twenty users who work wait beside one hostile user, while the attacks, the hogs and the floods go
// on, and counts what is left when they have ended.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemPath } from '../test/fixtures/host.ts';
import { added } from '../test/fixtures/leaks.ts';
import { buildFolder, checkout } from '../test/fixtures/paths.ts';
import { describeFinished, type Finished, Running, run, runOk, tail } from '../test/fixtures/process.ts';
import { endProcessesOf } from '../test/fixtures/users.ts';
import type { Benchmark } from './benchmarks.ts';
import type { Account } from './contenders.ts';
import { Editor } from './editor.ts';
import type { Field } from './field.ts';
import { type Goal, notAbove, percentile, type Row, summarize } from './figures.ts';

const people = 20;
const usualSeconds = 60;
/** In peace they do the same all the time: what they wait for is known by then. */
const mostQuietSeconds = 120;
/** Between two things that somebody does. */
const pauseMs = { least: 500, most: 1500 };
/** Somebody may wait for that long, however little it is without the attacker. */
const alwaysGoodMs = 50;
const mostTimes = 5;
const patienceMs = 120_000;

const kinds = ['login', 'transfer', 'editor', 'commit'] as const;
type Kind = (typeof kinds)[number];

/** What one phase was like. */
class Phase {
  readonly waits: Record<Kind | 'root', number[]> = {
    login: [],
    transfer: [],
    editor: [],
    commit: [],
    root: [],
  };
  readonly failures: string[] = [];

  async time(kind: Kind | 'root', work: () => Promise<void>): Promise<void> {
    const since = performance.now();
    try {
      await work();
      this.waits[kind].push(performance.now() - since);
    } catch (error) {
      this.failures.push(`${kind}: ${tail(error instanceof Error ? error.message : String(error), 400)}`);
    }
  }
}

/** The login client as a user of the host runs it. */
async function login(client: string, account: Account, script: string, input?: Buffer): Promise<Finished> {
  const { uid, gid, name, home } = account;
  const env = { PATH: systemPath, HOME: home, USER: name, LOGNAME: name, SHELL: client, LANG: 'C.UTF-8' };
  const options = { uid, gid, cwd: '/', env, timeoutMs: patienceMs };
  return await run(client, ['-c', script], input === undefined ? options : { ...options, input });
}

async function loginOk(client: string, account: Account, script: string, input?: Buffer): Promise<Buffer> {
  const result = await login(client, account, script, input);
  if (result.code !== 0) throw new Error(describeFinished(result));
  return result.stdout;
}

const sent = Buffer.alloc(256 * 1024, 'dockersh\n');

class Person implements AsyncDisposable {
  readonly #client: string;
  readonly #account: Account;
  readonly #editor: Editor;

  private constructor(client: string, account: Account, editor: Editor) {
    this.#client = client;
    this.#account = account;
    this.#editor = editor;
  }

  static async start(client: string, account: Account): Promise<Person> {
    const repository =
      'git init -q r && cd r && git config user.email a@b.c && git config user.name a && touch f';
    await loginOk(client, account, `${repository} && git add f && git commit -qm first`);
    return new Person(client, account, await Editor.start(client, account));
  }

  async work(phase: Phase, end: number, first: number): Promise<void> {
    await sleep(Math.random() * pauseMs.most);
    for (let index = first; performance.now() < end; index += 1) {
      const kind = kinds[index % kinds.length] ?? 'login';
      await phase.time(kind, async () => await this.#do(kind));
      await sleep(pauseMs.least + Math.random() * (pauseMs.most - pauseMs.least));
    }
  }

  async #do(kind: Kind): Promise<void> {
    const [client, account] = [this.#client, this.#account];
    if (kind === 'login') await loginOk(client, account, 'true');
    else if (kind === 'editor') await this.#editor.type(patienceMs);
    else if (kind === 'commit')
      await loginOk(client, account, 'cd r && date +%N >>f && git commit -qam more');
    else {
      const back = await loginOk(client, account, 'cat >t && cat t', sent);
      if (!back.equals(sent)) throw new Error(`${back.length} of ${sent.length} bytes came back`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#editor[Symbol.asyncDispose]();
  }
}

/** The account that is never locked out. */
async function rootLogsIn(client: string, phase: Phase, end: number): Promise<void> {
  const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root' };
  for (; performance.now() < end; await sleep(1000))
    await phase.time('root', async () => void (await loginOk(client, root, 'true')));
}

async function phaseOf(field: Field, crowd: readonly Person[], seconds: number): Promise<Phase> {
  const phase = new Phase();
  const end = performance.now() + seconds * 1000;
  const work = crowd.map((person, index) => person.work(phase, end, index));
  await Promise.all([...work, rootLogsIn(field.host.client, phase, end)]);
  return phase;
}

/** What takes as much as there is, of everything, inside. */
const hogs = [
  'while :; do yes >/dev/null; done',
  'while :; do tail -c 8G /dev/zero >/dev/null; done', // ends for lack of memory, again and again
  'bomb() { bomb | bomb & }; while :; do (bomb) 2>/dev/null; sleep 1; done',
  'while :; do head -c 4G /dev/zero >/tmp/full; rm -f /tmp/full; done',
  'while :; do head -c 256M /dev/zero >full; rm -f full; done',
  'while :; do find / /proc /sys -xdev >/dev/null 2>&1; done',
  'while :; do mkdir -p d/$RANDOM/$RANDOM/$RANDOM; : >d/$RANDOM; done',
];
/** What hostile.c does to the login socket, for some seconds each. */
const floods = [
  ...['empty', 'garbage', 'descriptors', 'fields', 'logins', 'waits'].map((kind) => `flood ${kind} 5 1`),
  ...['broken 20000', 'silent 200 5', 'linger 5'],
];

class Attacker implements AsyncDisposable {
  readonly #field: Field;
  readonly #account: Account;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(field: Field, account: Account) {
    this.#field = field;
    this.#account = account;
  }

  async start(): Promise<void> {
    const { host } = this.#field;
    const hostile = join(host.folder, 'bin/hostile');
    await runOk('gcc', ['-O1', '-o', hostile, join(checkout, 'test/integration/attacks/hostile.c')]);
    const attack = await readFile(join(buildFolder, 'dockersh-attack'));
    await loginOk(host.client, this.#account, 'cat >~/attack && chmod 700 ~/attack', attack);
    this.#running = Promise.all([
      this.#again((index) => this.#inside(hogs[index % hogs.length] ?? ''), hogs.length),
      this.#again(() => this.#inside('~/attack run nesting:user all; ~/attack run nesting:nested all'), 2),
      this.#again(() => this.#inside('true'), 4),
      this.#again((index, turn) => {
        const words = floods[(index + turn) % floods.length] ?? '';
        return [hostile, join(host.runFolder, 'login.sock'), ...words.split(' ')];
      }, 1),
    ]);
  }

  #inside(script: string): string[] {
    return [this.#field.host.client, '-c', script];
  }

  /** As many at once as are wanted, each begun anew when it has ended, however that was. */
  async #again(commandOf: (index: number, turn: number) => string[], count: number): Promise<void> {
    const { uid, gid, home, name } = this.#account;
    const env = { PATH: systemPath, HOME: home, USER: name, LOGNAME: name };
    const loop = async (index: number): Promise<void> => {
      for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
        const [file = '', ...args] = commandOf(index, turn);
        await using child = new Running(file, args, { uid, gid, env, stdio: 'ignore', cwd: '/' });
        const ended = child.finished(600_000).catch(() => undefined);
        await Promise.race([ended, aborted(this.#stop.signal)]);
        await sleep(10);
      }
    };
    await Promise.all(Array.from({ length: count }, (_, index) => loop(index)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await endProcessesOf(this.#account.uid);
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

const p99 = (values: readonly number[]): number => percentile(values, 99);

function goalsOf(quiet: Phase, attacked: Phase, left: readonly string[]): Goal[] {
  const waits = kinds.map((kind) => {
    const most = Math.max(alwaysGoodMs, mostTimes * p99(quiet.waits[kind]));
    return notAbove(`ms at p99 for ${kind}, at most ${most.toFixed(0)}`, p99(attacked.waits[kind]), most);
  });
  const refused = attacked.failures.filter((text) => !text.startsWith('root:')).length;
  return [
    ...waits,
    notAbove('refused, of those who work', refused, 0),
    notAbove("refused, of root's logins", attacked.failures.length - refused, 0),
    notAbove('left over afterwards', left.length, 0),
  ];
}

export const hostile: Benchmark = async (field, { seconds = usualSeconds }) => {
  const { host } = field;
  const accounts = await field.users(people, host.client);
  const [attacker] = await field.users(1, host.client);
  if (attacker === undefined) throw new Error('no attacker');
  const users = { [attacker.name]: { nesting: 'yes' } };
  await host.setPolicy({ defaults: { image: 'host', linger: 'forever' }, users });
  const all = [...accounts, attacker];
  // Once, so that what stays of a user (layer, range) is there before.
  for (const account of all) await loginOk(host.client, account, 'true');
  await field.stop(all);
  const before = host.resources();
  let quiet: Phase, attacked: Phase;
  {
    await using stack = new AsyncDisposableStack();
    const crowd: Person[] = [];
    for (const account of accounts) crowd.push(stack.use(await Person.start(host.client, account)));
    await phaseOf(field, crowd, Math.min(5, seconds));
    quiet = await phaseOf(field, crowd, Math.min(mostQuietSeconds, seconds));
    const attack = stack.use(new Attacker(field, attacker));
    await attack.start();
    attacked = await phaseOf(field, crowd, seconds);
  }
  await field.stop(all);
  // What users keep in their homes is no leftover.
  const left = Object.entries(added(before, host.resources())).flatMap(([kind, names]) =>
    names.filter((name) => !/^users\/\d+\/home\/./.test(name)).map((name) => `${kind}: ${name}`),
  );
  const rows = [...kinds, 'root' as const].flatMap((kind): Row[] => [
    { name: kind, ...summarize(quiet.waits[kind]) },
    { name: `${kind}, attacked`, ...summarize(attacked.waits[kind]) },
  ]);
  const failures = [...quiet.failures, ...attacked.failures].slice(0, 10);
  return {
    benchmark: 'hostile',
    title: `${people} users who work, and then for ${seconds} s beside one who attacks`,
    unit: 'ms',
    rows,
    goals: goalsOf(quiet, attacked, left),
    notes: [
      ...kinds.map(
        (kind) =>
          `p99 of ${kind}: ${p99(quiet.waits[kind]).toFixed(0)} ms, then ${p99(attacked.waits[kind]).toFixed(0)}`,
      ),
      ...left.slice(0, 20).map((name) => `left over: ${name}`),
      ...failures,
    ],
  };
};
