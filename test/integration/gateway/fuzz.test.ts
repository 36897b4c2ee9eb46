// Sends the real gateway handshakes and packets that no client sends, in the clear and behind valid encryption, before and after a
// login: listener and monitors go on, nothing crashes, and nothing is left of those connections. DOCKERSH_FUZZ_SECONDS says how long, and
// DOCKERSH_FUZZ_SEED which.

import { readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AdminGatewaySession } from '../../../src/protocol/admin.ts';
import { useDaemonAndUser } from '../../fixtures/gateway/daemon.ts';
import { Gateway } from '../../fixtures/gateway/gateway.ts';
import { Chance, knockWith, record, type Target, visit } from '../../fixtures/gateway/mutating-client.ts';
import { control } from '../../fixtures/machine.ts';
import { run, waitUntil } from '../../fixtures/process.ts';
import { childrenOf } from '../../fixtures/supervisor.ts';

const seconds = Number(process.env['DOCKERSH_FUZZ_SECONDS'] ?? '5');
const seed = Number(process.env['DOCKERSH_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
const spare = 4;

describe.skipIf(control)('strangers who send anything', () => {
  let gateway: Gateway;
  const made = useDaemonAndUser(async ({ host, user, parts }) => {
    const folder = join(host.folder, 'gateway');
    await mkdir(folder);
    const settings = ['grace_time=10', `spare_processes=${spare}`, 'auth_tries=20'];
    gateway = parts.use(
      await Gateway.start({ folder, runFolder: host.runFolder, client: host.clientInRun, settings }),
    );
    await gateway.authorize(user.name);
  });

  async function logIn(): Promise<string> {
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
    const args = ['-F', 'none', '-i', gateway.identity, '-p', String(gateway.port)];
    const all = [...args, ...options.flatMap((option) => ['-o', option]), `${made().user.name}@127.0.0.1`];
    return (await run('ssh', [...all, 'id -un'])).stdout.toString();
  }

  const residentKib = (): number =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1] ?? 0);
  const descriptors = async (): Promise<number> => (await readdir(`/proc/${gateway.pid}/fd`)).length;
  const quiet = async (): Promise<void> =>
    await waitUntil(() => childrenOf(gateway.pid).length === spare, 'every connection to end', 120_000);

  it(
    'cost themselves alone',
    async () => {
      const { host, user } = made();
      expect(await logIn(), gateway.log()).toBe(`${user.name}\n`);
      const target: Target = {
        port: gateway.port,
        username: user.name,
        privateKey: readFileSync(gateway.identity),
      };
      const recorded = await record(target);
      const chance = new Chance(seed);
      const counts = { knocked: 0, visited: 0 };
      const some = async (until: number): Promise<void> => {
        while (Date.now() < until) {
          if (chance.number(2) === 0) {
            await knockWith(chance, target.port, recorded);
            counts.knocked += 1;
          } else {
            await visit(chance, target);
            counts.visited += 1;
          }
        }
      };
      // What memory and tables are grown to once is no leak.
      await some(Date.now() + 1000);
      await quiet();
      const before = { descriptors: await descriptors(), kib: residentKib() };
      const until = Date.now() + seconds * 1000;
      await Promise.all([some(until), some(until)]);
      await quiet();
      const after = { descriptors: await descriptors(), kib: residentKib() };
      console.log(`DOCKERSH_FUZZ_SEED=${seed}: ${JSON.stringify({ ...counts, before, after })}`);
      expect(after.descriptors).toBe(before.descriptors);
      expect(after.kib).toBeLessThan(before.kib + 2048);
      const log = readFileSync(join(host.folder, 'gateway/gateway.log'), 'utf8');
      expect(log.match(/.*(it failed|has crashed).*/g) ?? []).toEqual([]);
      expect(log).toMatch(/^[\n -~]*$/);
      const { sessions } = (await host.ctlOk('gateway', 'sessions')) as { sessions: AdminGatewaySession[] };
      expect(sessions).toEqual([]);
      expect(await logIn(), gateway.log()).toBe(`${user.name}\n`);
    },
    (seconds + 300) * 1000,
  );
});
