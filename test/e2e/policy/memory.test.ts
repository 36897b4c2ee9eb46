// Limits on memory besides how much there is: swap, and what only cgroups of version 2 have. They are exceeded where
// there is swap and version 2 (test/vm); here, the kernel has what the policy says.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cgroupName } from '../../../src/isolation/cgroup/host.ts';
import { cgroupsOf } from '../../fixtures/leaks.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const megabyte = 1024 ** 2;

async function edit(login: Login, settings: PolicySection): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '1s' },
    users: { [login.user.name]: settings },
  });
}

/** A file of the sandbox's cgroup; undefined where this version or kernel has none. */
function limit(login: Login, file: string): string | undefined {
  const name = `/${cgroupName(login.user.uid, login.user.name)}`;
  for (const folder of cgroupsOf(login.host.cgroup).filter((path) => path.endsWith(name))) {
    try {
      return readFileSync(join(folder, file), 'utf8').trim();
    } catch {} // in another hierarchy
  }
  return undefined;
}

/** Beyond memory; null: none is said. */
function swapOf(login: Login): number | null | undefined {
  const text = limit(login, 'memory.swap.max');
  if (text !== undefined) return text === 'max' ? null : Number(text);
  const sum = Number(limit(login, 'memory.memsw.limit_in_bytes'));
  return sum > 2 ** 60 ? null : sum - Number(limit(login, 'memory.limit_in_bytes'));
}

describe.skipIf(control || unlimited)('swap', () => {
  it('is none unless the policy says so, and changes with it and with memory', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { memory: '64M' });
    expect((await login.ssh('exit 3')).code).toBe(3);
    expect(swapOf(login)).toBe(0);
    const steps: [PolicySection, number | null][] = [
      [{ memory: '64M', swap: '32M' }, 32 * megabyte],
      [{ memory: '256M', swap: '1M' }, megabyte],
      [{ memory: '128M', swap: '512M' }, 512 * megabyte],
      [{ memory: '128M', swap: 'none' }, null],
      [{ memory: '512M', swap: '0' }, 0],
      [{ memory: 'none', swap: '0' }, null],
    ];
    for (const [settings, swap] of steps) {
      await edit(login, settings);
      await waitUntil(() => swapOf(login) === swap, `${JSON.stringify(settings)} to be in force`);
    }
    await world().host.ctlOk('stop', login.user.name);
    await edit(login, { memory: '64M', swap: '32M' });
    expect((await login.ssh('exit 4')).code).toBe(4);
    expect(swapOf(login)).toBe(32 * megabyte);
  });
});

describe.skipIf(control || unlimited)('what only cgroups of version 2 have', () => {
  it('is in force there; on version 1 it refuses logins, and doctor says so', async () => {
    const login = await world().addLogin('shell');
    const settings = { memory_high: '64M', oom_kills: 'sandbox' };
    await edit(login, settings);
    const result = await login.ssh('exit 5');
    if (limit(login, 'memory.max') !== undefined) {
      expect([limit(login, 'memory.high'), limit(login, 'memory.oom.group')]).toEqual(['67108864', '1']);
      return;
    }
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stderr.toString()).toMatch(/E_LIMIT_REFUSED/);
    const doctor = await world().host.ctl('doctor');
    expect(doctor.stdout.toString()).toMatch(/can't be held: .*memory_high.*: only cgroups of version 2/);
    await edit(login, { ...settings, strict: 'no' });
    expect((await login.ssh('exit 5')).code).toBe(5);
  });
});
