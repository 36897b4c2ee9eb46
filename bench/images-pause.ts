// Measures how long a sandbox stands still for a commit and a snapshot of many small files, while a program in it writes.

import { join } from 'node:path';
import { ctlBundle, nodeProgram } from '../test/fixtures/paths.ts';
import { Running, runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove, type Row, summarize } from './figures.ts';
import { makeLayout } from './images-data.ts';
import { long, workplace } from './images-place.ts';

const mebibyte = 1024 * 1024;
const perFolder = 250;

export const imagePause: Benchmark = async (field, { rounds = 3, quick }) => {
  await using place = await workplace(field);
  const folders = quick ? 26 : 260;
  const image = await makeLayout(join(place.folder, 'image'), mebibyte, 1);
  await field.host.ctlOk('image', 'import', 'bench', image.folder);
  await field.host.setPolicy({ defaults: { image: 'bench', linger: 'forever' } });
  await field.stop([field.account]);
  const exec = ['exec', '--program', join(field.host.folder, 'bin/dockersh-exec'), field.account.name, '--'];
  const make = `mkdir /srv/many && cd /srv/many && for d in $(seq ${folders}); do mkdir $d; for f in $(seq ${perFolder}); do echo $d >$d/$f; done; done`;
  const times: { commit: number[]; snapshot: number[] } = { commit: [], snapshot: [] };
  const write = 'cd /srv/many && while sleep 1; do for f in 1 2 3 4 5; do date >$f/again; done; done';
  const socket = join(field.host.runFolder, 'admin.sock');
  const ctl = async (...args: string[]): Promise<unknown> =>
    JSON.parse(await runOk(nodeProgram, [ctlBundle, '--socket', socket, '--json', ...args], long));
  await runOk(nodeProgram, [ctlBundle, '--socket', socket, ...exec, '/bin/sh', '-c', make], long);
  const command = [ctlBundle, '--socket', socket, ...exec, '/bin/sh', '-c', write];
  await using _writer = new Running(nodeProgram, command);
  for (let round = 0; round < rounds; round += 1) {
    const { name } = field.account;
    times.commit.push(seconds(await ctl('commit', name, 'bench/committed')));
    times.snapshot.push(seconds(await ctl('snapshot', name, `round-${round}`)));
    await ctl('snapshot', name, `round-${round}`, '--rm');
  }
  await field.host.setPolicy({ defaults: { image: 'host', linger: 'forever' } });
  await field.stop([field.account]);
  const rows: Row[] = Object.entries(times).map(([name, all]) => ({ name, ...summarize(all) }));
  return {
    benchmark: 'image-pause',
    title: `The sandbox stands still, with ${folders * perFolder} small files changed`,
    unit: 's',
    rows,
    goals: rows.map(({ name, median }) => notAbove(`s for a ${name}`, median, 1)),
    notes: [],
  };
};

function seconds(answer: unknown): number {
  return (answer as { pausedMs: number }).pausedMs / 1000;
}
