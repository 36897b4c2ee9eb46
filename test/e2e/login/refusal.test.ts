// A login that cannot be sandboxed is refused: exit 125, a message with an id that the log knows, and
// nothing run on the host.

import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks, unlimited } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ policy: { defaults: { image: 'host' } } });

/** Logs in, which must be refused with a message that has this code or text, by command and on a terminal. */
async function expectRefusal(login: Login, text: string): Promise<string> {
  const { host } = login;
  let message = '';
  for (const options of [[], ['-tt']]) {
    const marker = `/tmp/${uniqueName('ran')}`;
    const result = await login.ssh(`touch ${marker}; echo ran`, { options });
    message = options.length === 0 ? result.stderr.toString() : result.stdout.toString();
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stdout.toString()).not.toContain('ran\n');
    expect(existsSync(marker)).toBe(false);
    expect(message).toMatch(/^dockersh: \S+/m);
    expect(message).not.toContain(host.folder);
    const id = /session ([0-9a-f]{6,})/.exec(message);
    expect(message).toContain(text);
    expect(id, message).not.toBe(null);
    // What the supervisor refuses, the daemon hears of a moment after the user.
    const logged = `"session":"${id?.[1]}"`;
    await waitUntil(() => readFileSync(host.logFile, 'utf8').includes(logged), `the log to have ${logged}`);
  }
  return message;
}

it.skipIf(control)('the daemon is not running, for either', async () => {
  const { host } = world();
  await host.killDaemon('SIGTERM');
  const marker = `/tmp/${uniqueName('ran')}`;
  // At once: each waits for the daemon for as long as for one that is being restarted.
  const results = await Promise.all(
    modes.map(async (mode) => await world().login(mode).ssh(`touch ${marker}; echo ran`)),
  );
  await host.startDaemon();
  for (const result of results) {
    expect(result.code).toBe(125);
    expect(result.stdout.length).toBe(0);
    expect(result.stderr.toString()).toMatch(/not running/);
  }
  expect(existsSync(marker)).toBe(false);
  for (const mode of modes) expect((await world().login(mode).ssh('exit 3')).code).toBe(3);
});

/** Has descriptors of the user's under way, more than a login's own limit, which the kernel then refuses (ETOOMANYREFS). */
const underWay = `import array, socket, sys, time
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(8):
    left.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 10))])
print('sent', flush=True)
time.sleep(float(sys.argv[1]))`;

describe.skipIf(control || lacks('python3'))('a user with too many descriptors under way', () => {
  it.each([
    ['for a moment', '1', 0, ''],
    ['for good', '600', 125, "can't be reached, so you can't be logged in: too many descriptors of yours"],
  ])('%s', async (_name, seconds, code, text) => {
    const { user, host } = world().login('shell');
    const { uid, gid } = user;
    await using holder = new Running('python3', ['-c', underWay, seconds], { uid, gid });
    await holder.waitForOutput('sent');
    const script = `ulimit -n 32; exec ${host.client} -c 'echo in'`;
    const result = await run('/bin/sh', ['-c', script], { uid, gid, cwd: '/' });
    expect(result.code, describeFinished(result)).toBe(code);
    expect(result.stdout.toString()).toBe(code === 0 ? 'in\n' : '');
    expect(result.stderr.toString()).toContain(text);
  });
});

describe.skipIf(control).each(modes)('as %s', (mode) => {
  const withPolicy = async (section: PolicySection, defaults: PolicySection = { image: 'host' }) => {
    const login = await world().addLogin(mode);
    await world().host.setPolicy({ defaults, users: { [login.user.name]: section } });
    return login;
  };

  afterEach(async () => {
    await world().host.setPolicy({ defaults: { image: 'host' } });
  });

  it('no policy gives the user an image', async () => {
    await expectRefusal(await withPolicy({ memory: '1G' }, {}), 'E_NO_POLICY');
  });

  it('the image does not exist', async () => {
    await expectRefusal(await withPolicy({ image: 'no-such-image' }), 'E_IMAGE_MISSING');
  });

  it('an edit that makes the policy file invalid changes nothing, and the log names it', async () => {
    const login = await withPolicy({ memory: '1G' }, {});
    await expectRefusal(login, 'E_NO_POLICY');
    await login.host.setPolicy('[defaults]\nimage = host\nmemroy = 1G\n');
    await expectRefusal(login, 'E_NO_POLICY');
    expect(login.host.logTail()).toMatch(/dockersh\.ini:3.*memroy.*memory/);
  });

  it('a policy file that others can write changes nothing', async () => {
    const login = await withPolicy({ memory: '1G' }, {});
    await expectRefusal(login, 'E_NO_POLICY');
    await login.host.setPolicy({ defaults: { image: 'host' } }, 0o666);
    await expectRefusal(login, 'E_NO_POLICY');
  });

  it.skipIf(lacks('busybox'))("the image's only shell can't be run", async () => {
    const { host } = world();
    const files = { '/bin/sh': 'no program\n' };
    const rootfs = await makeRootfs(join(host.folder, uniqueName('empty')), { busybox: false, files });
    await host.ctlOk('image', 'import', `empty-${mode}`, rootfs);
    await expectRefusal(await withPolicy({ image: `empty-${mode}` }), '/bin/sh');
  });

  it.skipIf(lacks('busybox')).each(['tree', 'layer.json'])('the image lost its %s', async (part) => {
    const { host } = world();
    const layers = join(host.stateFolder, 'images/layers/sha256');
    const before = new Set(await readdir(layers));
    const name = uniqueName('lost');
    const rootfs = await makeRootfs(join(host.folder, name), { files: { '/etc/name': name } });
    await host.ctlOk('image', 'import', name, rootfs);
    const added = (await readdir(layers)).filter((layer) => !before.has(layer));
    expect(added).toHaveLength(1);
    await runOk('rm', ['-r', join(layers, added[0] ?? '', part)]);
    await host.killDaemon('SIGTERM');
    await host.startDaemon();
    await expectRefusal(await withPolicy({ image: name }), 'E_IMAGE_BROKEN');
  });

  it.skipIf(lacks('busybox'))(
    'the shell is missing in the image: /bin/sh instead, and a remark',
    async () => {
      const { host } = world();
      const rootfs = await makeRootfs(join(host.folder, uniqueName('small')));
      await host.ctlOk('image', 'import', `small-${mode}`, rootfs);
      const login = await withPolicy({ image: `small-${mode}`, shell: '/bin/zsh' });
      const result = await login.ssh('echo "$0"; exit 4');
      expect(result.code, describeFinished(result)).toBe(4);
      expect(result.stdout.toString()).toMatch(/^(\/bin\/)?sh\n$/);
      expect(result.stderr.toString()).toMatch(/^dockersh: .*\/bin\/zsh.*\/bin\/sh/m);
    },
  );

  it.skipIf(unlimited)('the kernel refuses a limit', async () => {
    const login = await withPolicy({ cpus: 1 });
    const { cgroup } = login.host;
    // cgroup v1: no child may have more than its parent. v2: a controller that the parent does not pass on.
    const script = `set -e
      v1=/sys/fs/cgroup/cpu/$1; v2=/sys/fs/cgroup/$1/cgroup.subtree_control
      if [ -d "$v1" ]; then echo $2 > "$v1/cpu.cfs_quota_us"; else echo "$3cpu" > "$v2"; fi`;
    const set = async (quota: string, sign: string) =>
      await run('sh', ['-c', script, 'sh', cgroup, quota, sign]);
    const tightened = await set('20000', '-');
    expect(tightened.code, describeFinished(tightened)).toBe(0);
    try {
      await expectRefusal(login, 'E_LIMIT_REFUSED');
    } finally {
      await set('-1', '+');
    }
    expect((await login.ssh('exit 3')).code).toBe(3);
    await login.host.ctlOk('stop', login.user.name);
  });

  it.skipIf(lacks('strace'))('the message also reaches a client that is slow to read it', async () => {
    const login = await withPolicy({ image: 'no-such-image' });
    const delay = 'inject=recvmsg:delay_enter=30000'; // µs, before each reading
    const { name, home } = login.user;
    const args = ['-e', 'trace=recvmsg', '-e', delay, '-u', name, login.host.client, '-c', 'echo ran'];
    const result = await run('strace', args, { cwd: home, env: login.environment() });
    expect(result.code).toBe(125);
    expect(result.stderr.toString()).toContain('E_IMAGE_MISSING');
  });

  it('a message on a terminal is readable, line by line', async () => {
    const login = await withPolicy({ image: 'no-such-image' });
    await using terminal = login.terminal(undefined, { ssh: [] });
    expect((await terminal.exited()).code).toBe(125);
    for (const line of terminal.text.split('\n').slice(0, -1)) expect(line.endsWith('\r')).toBe(true);
  });
});

describe.skipIf(control)('a name that no account can have', () => {
  it.each([254, 255, 256])('of %d bytes is answered as one that there is not', async (length) => {
    const { host } = world();
    for (const name of ['a'.repeat(length), 'é'.repeat(length / 2)]) {
      expect((await host.ctl('stop', name)).stderr.toString()).toContain('E_NOT_FOUND');
      const exec = await run(join(host.folder, 'bin/dockersh-exec'), [name, 'true']);
      expect([exec.code, exec.stderr.toString()]).toEqual([125, expect.stringContaining('E_NO_POLICY')]);
    }
  });
});

describe.skipIf(control)('a daemon that is started while the policy is broken', () => {
  const good = { defaults: { image: 'host' } };
  const kept = (): string => join(world().host.stateFolder, 'last-good-policy.json');
  const faultOf = async (): Promise<{ since: string | null; problems: string[] } | null> => {
    const { policyFault } = (await world().host.ctlOk('ps')) as {
      policyFault: { since: string | null; problems: string[] } | null;
    };
    return policyFault;
  };
  afterEach(async () => {
    await world().host.setPolicy(good);
    expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
  });

  it.each([
    ['invalid', '[defaults]\nimage = host\nlinger = long\n', 0o644, /dockersh\.ini:3/, 78],
    ['writable by others', '[defaults]\nimage = host\n', 0o666, /writable by everybody/, 77],
  ])(
    '(%s) goes by the last good one, and takes the mended one at once',
    async (_name, text, mode, problem, status) => {
      const { host } = world();
      const [login, other] = [world().login('shell'), world().login('force')];
      await host.setPolicy({ ...good, users: { [other.user.name]: { maintenance: 'shut' } } });
      expect((await login.ssh('true')).code).toBe(0);
      await host.killDaemon('SIGTERM');
      await host.setPolicy(text, mode);
      await host.startDaemon();
      expect((await login.ssh('exit 4')).code).toBe(4);
      await expectRefusal(other, 'E_MAINTENANCE'); // of the last good one, all of it
      expect((await faultOf())?.problems.join()).toMatch(problem);
      expect((await host.ctl('policy', 'check', host.policyFile)).code).toBe(status);
      const told = host
        .logRecords()
        .filter(({ msg }) => msg.startsWith('the policy is broken: the last good one'));
      expect(told.at(-1)).toMatchObject({
        level: 'error',
        file: host.policyFile,
        since: (await faultOf())?.since,
      });
      await host.setPolicy(good);
      expect((await other.ssh('exit 5')).code).toBe(5);
      expect(await faultOf()).toBe(null);
    },
  );

  it('refuses every login at once where there is none, but for root’s, until it is mended', async () => {
    const { host } = world();
    const login = world().login('shell');
    await host.killDaemon('SIGTERM');
    await rm(kept());
    await host.setPolicy('[defaults]\nimgae = host\n');
    await host.startDaemon();
    expect(await expectRefusal(login, 'E_POLICY_BROKEN')).toMatch(/policy of this host is broken/);
    await expectRefusal(world().login('force'), 'E_POLICY_BROKEN');
    const root = await run(host.client, ['-c', 'readlink /proc/self/ns/pid'], {
      env: { PATH: '/usr/bin:/bin' },
    });
    expect(root.stdout.toString()).toBe(`${readlinkSync('/proc/self/ns/pid')}\n`);
    expect(await faultOf()).toMatchObject({ since: null });
    await host.setPolicy(good);
    expect((await login.ssh('exit 6')).code).toBe(6);
    expect(existsSync(kept())).toBe(true);
  });

  it('takes nothing that a user could have left for it', async () => {
    const login = world().login('shell');
    expect(statSync(kept())).toMatchObject({ uid: 0, mode: 0o100600 });
    const { stateFolder } = login.host;
    const forged = JSON.stringify({
      format: 1,
      version: '0',
      since: new Date().toISOString(),
      main: '',
      files: [],
    });
    // On the host and inside: neither reading nor replacing, nor anything else in that folder.
    const attempts = `cat ${kept()}; ls ${stateFolder}; mv ${kept()} /tmp/; ln -s /tmp/x ${stateFolder}/x;
      rm -f ${kept()}; echo '${forged}' > ${kept()}; mkdir ${stateFolder}; true`;
    const before = readFileSync(kept(), 'utf8');
    const { uid, gid } = login.user;
    const onHost = await run('setpriv', [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
      'sh',
      '-c',
      attempts,
    ]);
    expect(onHost.stdout.toString()).toBe('');
    expect(onHost.stderr.toString()).toMatch(/Permission denied/);
    await login.ssh(attempts);
    expect(readFileSync(kept(), 'utf8')).toBe(before);
    expect(await readdir(stateFolder)).not.toContain('x');
  });
});
