// Measures a thousand sandboxes with private networks: how long they take to start, whether all are answered when they ask
// at once, and how long an edit of the policy takes to be in force in all of them.

import { mkdtemp, rm } from 'node:fs/promises';
import { processesOf } from '../test/fixtures/leaks.ts';
import { folderPrefix } from '../test/fixtures/leftovers.ts';
import { Crowd } from '../test/fixtures/network/crowd.ts';
import type { Benchmark } from './benchmarks.ts';
import { pssOf } from './field.ts';
import { notAbove, type Row, summarize } from './figures.ts';

const usual = 1000;
const few = 100;
const changes = 5;
const ms = (us: number): number => us / 1000;

export const networkScale: Benchmark = async (_, { rounds = changes, quick }) => {
  const count = quick ? few : usual;
  const folder = await mkdtemp(`${folderPrefix}crowd-`);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const crowd = stack.use(await Crowd.create(folder, count));
  const overflowsBefore = await crowd.overflows();
  const { seconds, each } = await crowd.start();
  const table: Row[] = [
    { name: 'a login that starts one, of eight at a time', ...summarize(each.map((s) => s * 1000)) },
  ];
  const asked: number[] = [];
  let unanswered = 0;
  for (let round = 0; round < rounds; round += 1) {
    const answers = await crowd.go();
    unanswered += answers.unanswered;
    asked.push(answers.seconds * 1000);
    if (round === 0) table.push({ name: 'one answer, all asking at once', ...summarize(answers.us.map(ms)) });
  }
  table.push({ name: 'all answers', ...summarize(asked) });
  const took: number[] = [];
  let notRefused = 0;
  for (let round = 0; round < rounds; round += 1) {
    took.push(1000 * (await crowd.change({ deny_out: 'any' })));
    notRefused += 4 * count - (await crowd.go()).unanswered;
    took.push(1000 * (await crowd.change({})));
    unanswered += (await crowd.go()).unanswered;
  }
  const change = summarize(took);
  table.push({ name: 'an edit, until all sandboxes have it', ...change });
  const overflows = (await crowd.overflows()) - overflowsBefore;
  const ours = processesOf(crowd.host.scope).filter(({ exe }) => exe.startsWith('dockersh-'));
  const pss = ours.reduce((sum, { pid }) => sum + pssOf(pid), 0);
  return {
    benchmark: 'network-scale',
    title: `${count} sandboxes with private networks`,
    unit: 'ms',
    rows: table,
    goals: [
      notAbove('questions that were not answered', unanswered, 0),
      notAbove('times that the table of neighbours was too full', overflows, 0),
      notAbove('ms until an edit is in force in all, at most 1000', change.median, 1000),
      notAbove('questions that got through where everything is denied', notRefused, 0),
    ],
    notes: [
      `all started in ${seconds.toFixed(1)} s; ${await crowd.neighbours()} entries of neighbours`,
      `our processes: ${(pss / count).toFixed(0)} KiB a sandbox (PSS), with a session each; the daemon ${pssOf(crowd.host.daemonPid)} KiB`,
    ],
  };
};
