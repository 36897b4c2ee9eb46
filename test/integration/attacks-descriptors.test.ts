// What our own processes keep open, and what a user hands over whose closing takes for as long as they like.

import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { control } from '../fixtures/machine.ts';
import { type Finished, run } from '../fixtures/process.ts';
import { supervisorOf } from '../fixtures/supervisor.ts';
import { TestUser } from '../fixtures/users.ts';

describe.skipIf(control)('descriptors', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host', linger: '1h' } } }));
    user = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async ({ uid, gid }: TestUser, command: string): Promise<Finished> =>
    await run(host.client, ['-c', command], { uid, gid });

  it('the process in the sandbox that forks sessions keeps no file of the host’s', async () => {
    expect((await login(user, 'true')).code).toBe(0);
    const { spawner } = supervisorOf((await host.sandboxOf(user))?.initPid);
    const open = readdirSync(`/proc/${spawner}/fd`).map((fd) => readlinkSync(`/proc/${spawner}/fd/${fd}`));
    expect(open.filter((target) => target !== '/dev/null' && !target.startsWith('socket:'))).toEqual([]);
  });
});
