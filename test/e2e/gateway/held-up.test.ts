// Tries the gateway with sessions that don't read and clients that don't: each is held up alone, and the connection process holds
// no more of theirs than a window.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['gateway'] });

/** Resident bytes of the largest connection process of this gateway. */
function largest(): number {
  const listener = world().sshd('gateway').pid;
  const sizes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const ours =
          status.includes(`\nPPid:\t${listener}\n`) && readFileSync(`/proc/${pid}/cmdline`).includes('/fd/5');
        return ours ? [1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)] : [];
      } catch {
        return []; // it has ended meanwhile
      }
    });
  return Math.max(0, ...sizes);
}

const mebibyte = 1024 * 1024;

describe.skipIf(control)('a session that does not read', () => {
  it('its terminal holds up nobody else of the connection', async () => {
    await using connection = await world().login('gateway').ssh2();
    const deaf = await connection.start('stty raw -echo; echo ready; sleep 60', { pty: true });
    await deaf.waitForOutput('ready');
    deaf.channel.write(Buffer.alloc(mebibyte, 'x'));
    const other = await connection.start('echo heard');
    expect((await other.finished()).stdout.toString()).toBe('heard\n');
    deaf.signal('KILL');
  });

  it('its input holds up nobody else of the connection', async () => {
    await using connection = await world().login('gateway').ssh2();
    const deaf = await connection.start('echo ready; sleep 60');
    await deaf.waitForOutput('ready');
    deaf.channel.write(Buffer.alloc(64 * mebibyte));
    const other = await connection.start('echo heard');
    expect((await other.finished()).stdout.toString()).toBe('heard\n');
    expect(largest()).toBeLessThan(200 * mebibyte);
    deaf.signal('KILL');
  });
});

describe.skipIf(control)('a client that does not read', () => {
  it('is kept waiting, and nothing is kept for it', async () => {
    const login = world().login('gateway');
    await using client = login.start('head -c 2000000000 /dev/zero');
    client.process.stdout?.pause();
    await waitUntil(() => largest() > 0, 'the connection');
    // That it does not grow shows with time alone.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(largest()).toBeLessThan(200 * mebibyte);
  });
});
