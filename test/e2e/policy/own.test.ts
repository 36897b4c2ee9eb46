// Settings that users make for themselves, in ~/.dockersh.ini.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: ['shell'],
  policy: {
    defaults: {
      image: 'host',
      memory: '256M',
      user_may_set: 'umask env memory hostname',
      stop_grace: '0',
    },
  },
});

async function withFile(text: string): Promise<Login> {
  const login = await world().addLogin('shell');
  const result = await login.ssh(`printf '%s' '${text}' > ~/.dockersh.ini`);
  expect(result.code, describeFinished(result)).toBe(0);
  return login;
}

describe.skipIf(control)("a user's own file", () => {
  it.skipIf(unlimited)('counts from the next login on, and for the sandbox from its next start', async () => {
    const login = await withFile('umask = 077\nenv.EDITOR = vim\nmemory = 64M\n');
    expect((await login.ssh('umask; echo $EDITOR')).stdout.toString()).toBe('0077\nvim\n');
    await world().host.ctlOk('stop', login.user.name);
    const hog = await login.ssh(`perl -e '$m = "x" x 100e6; print "fits\\n"'; echo $?`);
    expect(hog.stdout.toString(), describeFinished(hog)).toBe('137\n');
    expect((await login.host.sandboxOf(login.user))?.memoryLimitBytes).toBe(64 * 1024 ** 2);
  });

  it('raises nothing; what does not count is told on the terminal, and nowhere else', async () => {
    const login = await withFile('memory = 1G\nmounts = /root:/root:rw\nnonsense\numask = 027\n');
    await world().host.ctlOk('stop', login.user.name);
    const plain = await login.ssh('umask');
    expect(plain.stdout.toString() + plain.stderr.toString()).toBe('0027\n');
    expect((await login.host.sandboxOf(login.user))?.memoryLimitBytes).toBe(256 * 1024 ** 2);
    const shown = (await login.ssh('true', { options: ['-tt'] })).stdout.toString();
    expect(shown).toMatch(/~\/\.dockersh\.ini:1: error: memory: 1G is more than you may set/);
    expect(shown).toMatch(/mounts: you may not set this/);
    expect(shown).toMatch(/:3:\d+: error: this line is neither/);
    const explained = JSON.stringify(await world().host.ctlOk('policy', 'explain', login.user.name));
    expect(explained).toContain('1G is more than you may set');
    expect(explained).toContain('"section":"your own"');
  });

  it('stops no login, whatever it is', async () => {
    const login = await withFile('');
    for (const put of [
      'ln -sf /etc/shadow',
      'rm -f ~/.dockersh.ini; mkfifo',
      'rm -f ~/.dockersh.ini; mkdir',
    ]) {
      expect((await login.ssh(`${put} ~/.dockersh.ini`)).code).toBe(0);
      const after = await login.ssh('exit 4');
      expect(after.code, describeFinished(after)).toBe(4);
      expect((await login.ssh('true', { options: ['-tt'] })).stdout.toString()).toMatch(
        /dockersh\.ini: error: is/,
      );
    }
    expect(
      (await login.ssh('rmdir ~/.dockersh.ini; head -c 99999 /dev/urandom > ~/.dockersh.ini')).code,
    ).toBe(0);
    expect((await login.ssh('exit 4')).code).toBe(4);
  });
});
