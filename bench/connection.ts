// Times what pam_dockersh.so adds to an ssh connection: the same user by two real sshds, both with PAM, one with the module.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { callAdmin } from '../src/cli/client.ts';
import { Host } from '../test/fixtures/host.ts';
import { PamService } from '../test/fixtures/ssh/pam-service.ts';
import { Sshd } from '../test/fixtures/ssh/sshd.ts';
import { TestUser } from '../test/fixtures/users.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove, type Result } from './figures.ts';
import { client } from './ssh.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const without = 'without the module';
const within = 'with it';

interface Kind {
  readonly benchmark: string;
  readonly title: string;
  readonly mostMs: number;
  /** Stops the sandbox before each. */
  readonly cold: boolean;
}

async function measure({ benchmark, title, mostMs, cold }: Kind, rounds: number): Promise<Result> {
  await using parts = new AsyncDisposableStack();
  const users = parts.use(new AsyncDisposableStack());
  const host = parts.use(
    await Host.start({ policy: { defaults: { image: 'host', linger: '1h' } }, outsideTmp: true }),
  );
  const user = users.use(await TestUser.create({ shell: host.client }));
  host.uids.push(user.uid);
  const options = [`client=${host.client}`, `socket=${join(host.runFolder, 'join.sock')}`];
  const service = parts.use(await PamService.create({ options }));
  const start = async (name: string, pamService?: string): Promise<Sshd> => {
    const folder = join(host.folder, name);
    await mkdir(folder);
    const sshd = parts.use(await Sshd.start({ folder, usePam: true, pamService }));
    await sshd.authorize(user.name);
    return sshd;
  };
  const [plain, joining] = [await start('plain'), await start('joining', service.name)];
  const admin = { socketPath: join(host.runFolder, 'admin.sock') };
  const stop = async (): Promise<void> => void (await callAdmin('stop', { user: user.name }, admin));
  const before = cold ? stop : undefined;
  const turns = [
    { name: without, command: client(plain, user.name), before },
    { name: within, command: client(joining, user.name), before },
  ];
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => us / 1000);
  const added = medianOf(table, within) - medianOf(table, without);
  return {
    benchmark,
    title,
    unit: 'ms',
    rows: table,
    goals: [notAbove(`ms added, at most ${mostMs}`, added, mostMs)],
    notes: [],
  };
}

export const connectionWarm: Benchmark = async (_, { rounds = 60 }) =>
  await measure(
    {
      benchmark: 'connection-warm',
      title: 'ssh host true by sshd with PAM, to a sandbox that runs already',
      mostMs: 2,
      cold: false,
    },
    rounds,
  );

export const connectionCold: Benchmark = async (_, { rounds = 100 }) =>
  await measure(
    {
      benchmark: 'connection-cold',
      title: 'ssh host true by sshd with PAM, to a sandbox that has to be started',
      mostMs: 15,
      cold: true,
    },
    rounds,
  );
