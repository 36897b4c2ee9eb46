// Measures the cost of a disk limit: cold and warm starts of a user without a limit and of one whose disk is an
// image.

import type { Benchmark } from './benchmarks.ts';
import { as } from './contenders.ts';
import { notAbove } from './figures.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const names = ['no limit, cold', 'an image of 10 GiB, cold', 'no limit, warm', 'an image of 10 GiB, warm'];

export const disk: Benchmark = async (field, { rounds = 30 }) => {
  const users = await field.users(names.length, field.host.client);
  const defaults = { image: 'host', linger: 'forever' };
  const own = { disk: '10G', disk_backend: 'image' };
  const settings = users.map(({ name }, index) => [name, index % 2 === 0 ? {} : own] as const);
  await field.host.setPolicy({ defaults, users: Object.fromEntries(settings) });
  const turns = users.map((user, index) => ({
    name: names[index] ?? '',
    command: as(user, field.host.client, ['-c', 'true'], 'dockersh'),
    before: index < 2 ? () => field.stop([user]) : undefined,
  }));
  const all = await takeTurns('run', turns, rounds);
  await field.stop(users);
  await field.host.setPolicy({ defaults });
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => us / 1000);
  const [plainCold = 0, imageCold = 0, plainWarm = 0, imageWarm = 0] = names.map((name) =>
    medianOf(table, name),
  );
  return {
    benchmark: 'disk',
    title: 'A command in a sandbox whose disk is an image: -c true',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove('ms more for a cold start with an image, at most 10', imageCold - plainCold, 10),
      notAbove('ms more for a warm one, at most 0.3', imageWarm - plainWarm, 0.3),
    ],
    notes: [],
  };
};
