// The screen of a kept session after its connection was cut: what an undisturbed client shows, with every mode.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { describeScreen, forgetTheUnsayable } from '../../fixtures/screen/describe.ts';
import type { Screen } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: ['shell'],
  policy: { defaults: { image: 'host', on_hangup: 'keep', stop_grace: '1s', hangup_grace: '1s' } },
});
const size = { columns: 100, rows: 30 };

/** What a terminal shows that has been sent this. */
function shown(text: string): unknown {
  const emulator = new Emulator(size, 1000);
  emulator.write(Buffer.from(text));
  forgetTheUnsayable(emulator);
  return describeScreen(emulator);
}

async function settled(screen: Screen): Promise<void> {
  for (let before = -1; before !== screen.text.length; await sleep(700)) before = screen.text.length;
}

const isLeft = async (login: Login): Promise<void> =>
  await waitUntil(
    async () => /"leftAt": *"/.test((await login.ssh('@sessions --json')).stdout.toString()),
    'the session to be left',
  );

const bash = String.raw`printf '\e]2;a title\a\e[1;31mred\e[m \e[7mback\e[m\n\e[?2004h'; seq 1 60`;
const programs: readonly [name: string, keys: readonly string[]][] = [
  ['bash', [`${bash}\r`]],
  ['vim', ['vim -u NONE -c "set mouse=a number" /etc/services\r', '/ssh\r', 'itext \x1b']],
  ['less', ['less /etc/services\r', '  ', '/tcp\r']],
  ['top', ['top -d 100 -n 3\r']],
  ['tmux', ['tmux -f /dev/null new -s t\r', 'seq 1 50\r', '\x02%', 'echo beside\r']],
];

describe.skipIf(control)('the screen of a session that is come back to', () => {
  it.each(programs)('%s', async (name, keys) => {
    if (lacks(name === 'bash' ? 'sh' : name)) return;
    const login = await world().addLogin('shell', {});
    await using before = login.terminal(undefined, { ...size, ssh: [] });
    await before.expect(/\$ /); // what is typed before is echoed by others than the session
    await before.prompt();
    for (const key of keys) {
      before.send(key);
      await settled(before);
    }
    before.pty.kill('SIGKILL');
    await isLeft(login);
    await using after = login.terminal('@attach', size);
    await waitUntil(() => after.text.length > 0, 'the screen');
    await settled(after);
    expect(shown(after.text)).toEqual(shown(before.text));
  });

  it('is shown by a process that has no right, and is gone afterwards', async () => {
    const login = await world().addLogin('shell', {});
    await using terminal = login.terminal(undefined, { ...size, ssh: [] });
    await terminal.prompt();
    let seen: string | undefined;
    const look = setInterval(() => {
      seen ??= screenOf(login);
    }, 5);
    await using second = login.terminal('@attach', size);
    await waitUntil(() => /dsh->/.test(second.text), 'the screen');
    clearInterval(look);
    expect(seen).toBeDefined();
    expect(seen).toMatch(/^CapBnd:\s+0+$/m);
    expect(seen).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(seen).toMatch(/^Seccomp:\s+2$/m);
    expect(seen).not.toMatch(/^Uid:\s+(0|[0-9]{1,9})\s/m);
    await waitUntil(() => screenOf(login) === undefined, 'its end');
  });
});

/** The status of a screen that runs for this user, once it is what it is to be. */
function screenOf({ user }: Login): string | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/proc/self/fd/3')) continue;
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(user.name))
        return readFileSync(`/proc/${pid}/status`, 'utf8');
    } catch {
      // it has ended
    }
  }
  return undefined;
}
