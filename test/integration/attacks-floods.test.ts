// One user floods the login socket with whatever it takes (attacks/hostile.c). What that costs others is counted, not timed:
// lines of the log, processes, records, descriptors. script/bench floods has the times.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { descriptorsOf, descriptorsSettle } from '../fixtures/kernel/descriptors.ts';
import { control } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';

const seconds = 3;
const processes = 4;
/** What 3 seconds of a flood may cost, however many connections they are. */
const mostLines = 60;
/** Of the launcher: those that are answered by a process of their own, and then one for a hundred. */
const mostForks = (connections: number): number => 100 + connections / 50;

interface Recorded {
  id: string;
  user: string;
  outcome: string;
  count: number;
}

describe.skipIf(control)('a flood of connections', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let attacker: TestUser;
  let victim: TestUser;

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host', linger: '1m' } } }));
    attacker = parts.use(await TestUser.create({ shell: host.client }));
    victim = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(attacker.uid, victim.uid);
    const closed = { [attacker.name]: { maintenance: 'closed' } };
    await host.setPolicy({ defaults: { image: 'host', linger: '1m' }, users: closed });
    const source = join(checkout, 'test/integration/attacks/hostile.c');
    await runOk('gcc', ['-O1', '-o', join(host.folder, 'bin/hostile'), source]);
    await login(victim);
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async ({ uid, gid }: TestUser): Promise<Finished> =>
    await run(host.client, ['-c', 'echo served'], { uid, gid });
  const descriptors = (): Promise<number> => descriptorsOf(host);
  const linesOfAttacker = (): number => host.logRecords().filter(({ uid }) => uid === attacker.uid).length;
  const records = async (): Promise<Recorded[]> =>
    ((await host.ctlOk('logins', '--limit', '1000')) as { logins: Recorded[] }).logins;
  const launcher = (): number =>
    Number(readFileSync(`/proc/${host.daemonPid}/task/${host.daemonPid}/children`, 'utf8').trim());

  /** Connections that were made, and what the launcher forked meanwhile. */
  async function flood(kind: string): Promise<{ connections: number; forks: number }> {
    await using tracer = new Running('strace', ['-p', String(launcher()), '-e', 'trace=fork,vfork,clone'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await waitUntil(() => tracer.stderr.includes('attached'), 'strace to be there');
    await using attack = new Running(
      join(host.folder, 'bin/hostile'),
      [join(host.runFolder, 'login.sock'), 'flood', kind, String(seconds), String(processes)],
      { uid: attacker.uid, gid: attacker.gid },
    );
    for (let served = 0; !attack.exited; served += 1) {
      const result = await login(victim);
      expect(result.stdout.toString(), describeFinished(result)).toBe('served\n');
      if (served === 0) expect(await host.ctlOk('ps')).toHaveProperty('sandboxes');
    }
    const connections = Number((await attack.finished()).stdout.toString());
    tracer.kill('SIGINT');
    const { stderr } = await tracer.finished();
    return { connections, forks: stderr.toString().match(/^v?(fork|clone)\(/gm)?.length ?? 0 };
  }

  it.each(['empty', 'garbage', 'descriptors', 'fields', 'logins', 'waits'])(
    'costs the log, the launcher and the neighbour next to nothing: %s',
    async (kind) => {
      const before = await descriptors();
      const lines = linesOfAttacker();
      const { connections, forks } = await flood(kind);
      expect(connections).toBeGreaterThan(2_000); // a flood, or nothing has been tried
      expect(linesOfAttacker() - lines).toBeLessThan(mostLines);
      expect(forks).toBeLessThan(mostForks(connections));
      await descriptorsSettle(host, before);
    },
  );

  it('is one record of the logins, and pushes out nobody’s', async () => {
    const own = (await records()).filter(({ user }) => [attacker.name, String(attacker.uid)].includes(user));
    expect(own.length).toBeLessThan(5);
    expect(own.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(100);
    expect((await records()).some(({ user, outcome }) => user === victim.name && outcome === 'exit 0')).toBe(
      true,
    );
  });

  it('leaves the one who made it able to log in as soon as it is over', async () => {
    await host.setPolicy({ defaults: { image: 'host', linger: '1m' } });
    const result = await login(attacker);
    expect(result.stdout.toString(), describeFinished(result)).toBe('served\n');
  });
});
