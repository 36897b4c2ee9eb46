// Words of self-service from inside a sandbox: by the command that images get, and by the socket that it asks at.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { parentOf } from '../../fixtures/supervisor.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const asked = async (login: Login, command: string) => {
  const { code, stdout, stderr } = await login.ssh(command);
  return { code, out: stdout.toString(), err: stderr.toString() };
};

describe.skipIf(control || lacks('busybox'))('dockersh WORD', () => {
  it('is in every image, and does what the word does from outside', async () => {
    const { host } = world();
    const login = world().login('shell');
    await host.ctlOk('image', 'import', 'lab/base:1', await makeRootfs(join(host.folder, 'rootfs')));
    await host.setPolicy({ defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '0' } });
    const status = await asked(login, 'dockersh status --json');
    expect([status.code, status.err]).toEqual([0, '']);
    expect(JSON.parse(status.out)).toMatchObject({
      user: login.user.name,
      running: true,
      image: 'lab/base:1',
      sessions: 1,
    });
    expect((await asked(login, 'dockersh help')).out).toContain('@snapshot');
    expect((await asked(login, 'echo 1 >~/x; dockersh snapshot inside')).out).toContain('Kept as inside');
    expect((await asked(login, '@images')).out).toContain('inside');
    const wrong = await asked(login, 'dockersh nonsense');
    expect([wrong.code, wrong.err]).toEqual([64, expect.stringContaining('no words that there are')]);
    for (const words of ['@help', '"help help"', 'snapshot "a b"', "snapshot '$(id)'", 'snapshot a b'])
      expect((await asked(login, `dockersh ${words}`)).code, words).toBe(64);
    expect((await asked(login, 'dockersh')).code).toBe(64);
    const long = await asked(login, `dockersh snapshot ${'x'.repeat(5000)}`);
    expect([long.code, long.err]).toEqual([125, expect.stringContaining('longer than anything')]);
    await host.setPolicy({ defaults: { image: 'lab/base:1', self_service: 'none' } });
    expect((await asked(login, 'dockersh status')).code).toBe(77);
  });

  it('may end its own sandbox', async () => {
    const { host } = world();
    const login = world().login('shell');
    await host.setPolicy({ defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '0' } });
    const before = (await host.sandboxOf(login.user))?.initPid;
    await asked(login, 'dockersh reset yes');
    expect((await asked(login, 'dockersh status')).code).toBe(0);
    expect((await host.sandboxOf(login.user))?.initPid).not.toBe(before);
  });
});

describe.skipIf(control)('the socket inside', () => {
  const python = (script: string): string => `python3 -c '
import array, os, socket, sys, time
def dial():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(60)
    s.connect("/run/dockersh/self-service")
    return s
def ask(words):
    s = dial()
    s.send(words)
    return s.recv(1 << 18)
${script}'`;
  const ready = async (): Promise<Login> => {
    await world().host.setPolicy({ defaults: { image: 'host', linger: '1h', stop_grace: '0' } });
    const login = await world().addLogin('shell');
    expect((await login.ssh('true')).code).toBe(0);
    return login;
  };

  it('serves the login client where that is in the image', async () => {
    const login = await ready();
    const program = (await readFile(world().host.client)).toString('base64');
    const put = await login.ssh('base64 -d >~/dockersh; chmod +x ~/dockersh', { input: program });
    expect(put.code, describeFinished(put)).toBe(0);
    expect((await asked(login, '~/dockersh status')).out).toContain('sandbox    runs');
    expect((await asked(login, '~/dockersh rollback nothing')).code).toBe(66);
  });

  it('waits for the next daemon', async () => {
    const login = await ready();
    const { host } = world();
    await using waiting = login.start(
      python('print("asking", flush=True); time.sleep(3); print(len(ask(b"status")) > 50)'),
    );
    await waiting.waitForOutput('asking');
    await host.killDaemon('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await host.startDaemon();
    const { stdout } = await waiting.finished();
    expect(stdout.toString()).toBe('asking\nTrue\n');
  });

  it('takes no harm from garbage, descriptors and floods', async () => {
    const login = await ready();
    const { host } = world();
    const supervisor = parentOf((await host.sandboxOf(login.user))?.initPid ?? 0);
    const garbage = await asked(
      login,
      python(`
for words in [b"", b" ", bytes(range(256)), b"status " * 200, b"status\\0--json", b"x" * 2048, b"x" * 100000,
              b"snapshot \\xff\\xfe", b"reset\\nyes", "st\\u0430tus".encode()]:
    try:
        print(b"E_USAGE" in ask(words))
    except (OSError, socket.timeout) as error:
        print(type(error).__name__)
s = dial()
s.sendmsg([b"status"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
try: print(s.recv(100))
except OSError as error: print(type(error).__name__)
`),
    );
    expect(garbage.err).toBe('');
    expect(garbage.out).not.toContain('running');
    const flood = await asked(
      login,
      python(`
held = []
for number in range(30):
    s = dial() if number < 8 else None
    if s: held.append(s)
for s in held: s.close()
start = time.time()
count = 0
while time.time() - start < 3:
    try:
        ask(b"status"); count += 1
    except OSError: pass
print(count < 60, count > 0)
`),
    );
    expect([flood.err, flood.out]).toEqual(['', 'True True\n']);
    expect(parentOf((await host.sandboxOf(login.user))?.initPid ?? 0)).toBe(supervisor);
    expect((await login.ssh('true')).code).toBe(0);
  });

  it('answers nobody but the user and root inside', async () => {
    await world().host.setPolicy({
      defaults: { image: 'host', linger: '1h', stop_grace: '0', nesting: 'yes', root: 'yes' },
    });
    const login = await world().addLogin('shell');
    // Another id of the sandbox's: one of a user namespace's in it, which is the user's own again from outside.
    const own = await asked(login, python('print(b"runs" in ask(b"status"))'));
    expect(own.out).toBe('True\n');
    const other = await asked(login, `sudo -n true 2>/dev/null; ${python('print(os.getuid() != 0)')}`);
    expect(other.code).toBe(0);
  });
});
