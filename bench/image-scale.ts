// Measures the cost of an image's size, layers and users: cold starts side by side, and disk space for each user.

import { join } from 'node:path';
import { runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Account, as } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove } from './figures.ts';
import { makeLayout } from './images-data.ts';
import { workplace } from './images-place.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const mebibyte = 1024 * 1024;
const small = '5 MiB in 1 layer';
const many = '5 MiB in 60 layers';
const crowd = 20;

/** One user for each image; gives the policy back when disposed. */
async function usersOf(
  field: Field,
  images: readonly string[],
): Promise<AsyncDisposable & { all: Account[] }> {
  const all = await field.users(images.length, field.host.client);
  const users = Object.fromEntries(all.map(({ name }, index) => [name, { image: images[index] ?? '' }]));
  await field.host.setPolicy({ defaults: { image: 'host', linger: 'forever' }, users });
  return {
    all,
    [Symbol.asyncDispose]: async () => {
      await field.stop(all);
      await field.host.setPolicy({ defaults: { image: 'host', linger: 'forever' } });
    },
  };
}

function login({ client }: Field['host'], user: Account, script: string) {
  return as(user, client, ['-c', script], 'dockersh');
}

export const imageScale: Benchmark = async (field, { rounds = 30, quick }) => {
  await using place = await workplace(field);
  const large = quick ? 100 : 1024;
  const variants = [
    { name: small, mebibytes: 5, layers: 1 },
    { name: `${large} MiB in 1 layer`, mebibytes: large, layers: 1 },
    { name: many, mebibytes: 5, layers: 60 },
    { name: '5 MiB in 120 layers', mebibytes: 5, layers: 120 },
    { name: '5 MiB in 250 layers', mebibytes: 5, layers: 250 },
  ];
  const images: string[] = [];
  for (const [index, { mebibytes, layers }] of variants.entries()) {
    const { folder } = await makeLayout(join(place.folder, `image${index}`), mebibytes * mebibyte, layers);
    images.push(`bench/scale${index}`);
    await field.host.ctlOk('image', 'import', `bench/scale${index}`, folder);
    await runOk('rm', ['-rf', folder]);
  }
  await using users = await usersOf(field, images);
  const turns = users.all.map((user, index) => ({
    name: variants[index]?.name ?? '',
    command: login(field.host, user, 'true'),
    before: () => field.stop([user]),
  }));
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => us / 1000);
  const [first, second] = [medianOf(table, small), medianOf(table, `${large} MiB in 1 layer`)];
  return {
    benchmark: 'image-scale',
    title: 'A command in a sandbox that has to be started, on images of different sizes: -c true',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove(`times the small image's, with ${large} MiB, at most 1.05`, second / first, 1.05),
      notAbove('ms more with 60 layers, at most 1.5', medianOf(table, many) - first, 1.5),
    ],
    notes: [],
  };
};

export const imageUsers: Benchmark = async (field) => {
  await using place = await workplace(field);
  const { folder } = await makeLayout(join(place.folder, 'image'), 128 * mebibyte, 4);
  await field.host.ctlOk('image', 'import', 'bench/users', folder);
  await using users = await usersOf(
    field,
    Array.from({ length: crowd }, () => 'bench/users'),
  );
  const turns = users.all.map((user) => ({
    name: user.name,
    command: login(field.host, user, 'echo mine >> /srv/file; echo mine >> ~/file'),
  }));
  const before = await allocatedKiB(field);
  expectStatus(await takeTurns('run', turns, 1), 0);
  const each = ((await allocatedKiB(field)) - before) / crowd;
  return {
    benchmark: 'image-users',
    title: `Disk space for each of ${crowd} users of one image of 128 MiB who have written two files`,
    unit: 'KiB',
    rows: [{ name: 'each', median: each, min: each, max: each, rounds: 1 }],
    goals: [notAbove('KiB for each user, at most 128', each, 128)],
    notes: [`the state folder without them: ${Math.round(before / 1024)} MiB`],
  };
};

async function allocatedKiB({ host }: Field): Promise<number> {
  await runOk('sync', []); // allocates what is still to be written
  return Number((await runOk('du', ['-sk', host.stateFolder])).split('\t')[0]);
}
