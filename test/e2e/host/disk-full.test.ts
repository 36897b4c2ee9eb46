// The file system that holds the state is full.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import { World } from '../../fixtures/world.ts';

describe.skipIf(control)('a full disk', () => {
  it('refuses a first login, says why, and lets it in when there is room again', async () => {
    await using disk = await SmallDisk.mount();
    await using world = await World.create({ stateFolder: join(disk.mountPoint, 'state') });
    const login = world.login('shell');
    expect((await world.login('force').ssh('exit 3')).code).toBe(3);

    await disk.fill();
    const marker = `/tmp/${uniqueName('ran')}`;
    const refused = await login.ssh(`touch ${marker}; echo ran`);
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toMatch(/E_DISK_FULL, session/);
    expect(refused.stdout.length).toBe(0);
    expect(existsSync(marker)).toBe(false);
    // A sandbox that runs goes on, and its user reads the kernel's own message.
    const running = await world.login('force').ssh('head -c 100000 /dev/zero > ~/big; echo "status $?"');
    expect(running.stdout.toString()).toBe('status 1\n');
    expect(running.stderr.toString()).toMatch(/No space left/);

    await disk.makeRoom();
    const after = await login.ssh('exit 4');
    expect(after.code, describeFinished(after)).toBe(4);
  });
});
