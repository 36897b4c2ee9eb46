// The environment that a client sends: what AcceptEnv and pass_env let through has its effect inside, and none on the
// host. The first part plays what envpass.sh and multiplex.sh of OpenSSH's own regression tests do.

import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, Running, run, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const ways = ['shell', 'both'] as const;
const everyWay = [...ways, 'gateway'] as const;
const world = useWorld({ modes: everyWay, sshdLines: ['AcceptEnv *', 'SetEnv _XXX_SERVER=server'] });

const clientEnvironment = { PATH: process.env['PATH'], HOME: '/nonexistent' };

async function setPassEnv(names: string): Promise<void> {
  await world().host.setPolicy({ defaults: { image: 'host', pass_env: names } });
}

/** With variables of the client's own. */
async function ssh(
  login: Login,
  command: string,
  env: Record<string, string>,
  options: readonly string[],
): Promise<string> {
  const result = await login.ssh(command, { env: { ...clientEnvironment, ...env }, options });
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

describe.skipIf(control).each(everyWay)('as OpenSSH tests it, by %s', (mode) => {
  // What sshd itself sets, the gateway leaves to the policy (env).
  const server = mode === 'gateway' ? '' : 'server';
  const show = 'echo "$_XXX_TEST_A/$_XXX_TEST_B/$_XXX_SERVER"';
  const env = { _XXX_TEST_A: '1', _XXX_TEST_B: '2' };
  const login = (): Login => world().login(mode);

  beforeAll(async () => {
    await setPassEnv('_XXX_*');
  });

  it('passes what is sent, and nothing else', async () => {
    expect(await ssh(login(), show, env, [])).toBe(`//${server}\n`);
    expect(await ssh(login(), show, env, ['-o', 'SendEnv=_XXX_TEST_A'])).toBe(`1//${server}\n`);
    expect(await ssh(login(), show, env, ['-o', 'SendEnv=_XXX_TEST_A', '-o', 'SendEnv=_XXX_TEST_B'])).toBe(
      `1/2/${server}\n`,
    );
    expect(await ssh(login(), show, env, ['-o', 'SendEnv=_XXX_TEST_*'])).toBe(`1/2/${server}\n`);
    expect(await ssh(login(), show, env, ['-o', 'SetEnv=_XXX_TEST_A=set'])).toBe(`set//${server}\n`);
  });

  it('passes through a master connection, for each session its own', async () => {
    const socket = join(login().host.folder, `env-${mode}`);
    await using master = login().start(undefined, ['-N', '-M', '-S', socket, '-o', 'SendEnv=_XXX_*']);
    await waitUntil(async () => {
      if (master.exited) throw new Error(`the master ended: ${master.stderr.toString()}`);
      return (await login().ssh(undefined, { options: ['-S', socket, '-O', 'check'] })).code === 0;
    }, 'the master connection');
    const mux = ['-S', socket, '-o', 'SendEnv=_XXX_TEST_A'];
    expect(await ssh(login(), show, { _XXX_TEST_A: 'blah' }, mux)).toBe(`blah//${server}\n`);
    expect(await ssh(login(), show, { _XXX_TEST_A: 'other' }, mux)).toBe(`other//${server}\n`);
    await login().ssh(undefined, { options: ['-S', socket, '-O', 'exit'] });
  });

  it('passes nothing that the policy does not name, and nothing by dockershctl exec', async () => {
    const all = ['-o', 'SendEnv=*'];
    await setPassEnv('none');
    expect(await ssh(login(), show, env, all)).toBe('//\n');
    await setPassEnv('*_B');
    expect(await ssh(login(), show, env, all)).toBe('/2/\n');
    await setPassEnv('*');
    const { host, user, sshd } = login();
    const exec = join(host.folder, 'bin/dockersh-exec');
    const result = await run(
      exec,
      ['--socket', join(host.runFolder, 'exec.sock'), user.name, 'sh', '-c', show],
      { env: { ...env, LANG: 'C' } },
    );
    expect(result.stdout.toString(), describeFinished(result) + sshd.log()).toBe('//\n');
  });
});

/** What loaders, shells and interpreters obey. */
const obeyed = [
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
  'LD_DEBUG_OUTPUT',
  'GCONV_PATH',
  'LOCPATH',
  'NLSPATH',
  'GETCONF_DIR',
  'BASH_ENV',
  'ENV',
  'PYTHONPATH',
  'PYTHONSTARTUP',
  'PYTHONHOME',
  'PERL5LIB',
  'PERL5OPT',
  'NODE_OPTIONS',
  'NODE_PATH',
  'TERMINFO',
  'HOSTALIASES',
  'RESOLV_HOST_CONF',
  'TZDIR',
  'TMPDIR',
  'MALLOC_TRACE',
];
/** Those that a session has of its own. */
const kept = [
  'PATH',
  'HOME',
  'SHELL',
  'USER',
  'LOGNAME',
  'MAIL',
  'SSH_AUTH_SOCK',
  'SSH_ASKPASS',
  'DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
];

describe.skipIf(control).each(ways)('variables that programs obey, by %s', (mode) => {
  it('reach the programs of the user inside, and no process of ours on the host looks at them', async () => {
    await setPassEnv('*');
    const login = world().login(mode);
    const { host, sshd } = login;
    const canary = join(host.folder, `canary-${mode}`);
    await mkdir(canary, { recursive: true });
    await writeFile(join(canary, 'x'), 'not to be read\n', { mode: 0o755 });
    const set = [...obeyed, ...kept, 'IFS', 'PS4', 'SHELLOPTS', 'GLIBC_TUNABLES'];
    const values = set.map((name) => `SetEnv=${name}=${canary}/x`);
    await login.ssh('true'); // a sandbox, whose processes are not looked at

    const log = join(host.folder, `trace-${mode}`);
    const tracer = new Running(
      'strace',
      [
        '-qq',
        '-f',
        '-s',
        '300',
        '-e',
        'trace=file,connect',
        '-o',
        log,
        ...[sshd.pid, host.daemonPid].flatMap((pid) => ['-p', String(pid)]),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    await waitUntil(
      () => [sshd.pid, host.daemonPid].every((pid) => tracerOf(pid) === tracer.pid),
      'strace to be there',
    );
    // The first SetEnv counts alone, unless all are in one line (ssh_config(5)).
    const one = `SetEnv=${values.map((value) => value.slice('SetEnv='.length)).join(' ')}`;
    const result = await login.ssh('/usr/bin/env -0 </dev/null 2>/dev/null; exit 0', {
      options: ['-o', one],
    });
    tracer.kill('SIGTERM');
    await tracer.finished();

    const inside = new Map(
      result.stdout
        .toString()
        .split('\0')
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
    for (const name of obeyed) expect([name, inside.get(name)]).toEqual([name, `${canary}/x`]);
    for (const name of kept) expect([name, inside.get(name)]).not.toEqual([name, `${canary}/x`]);
    const traced = await readFile(log, 'utf8');
    expect(traced).toContain(`execve("${host.client}"`);
    expect(traced.split('\n').filter((line) => line.includes(canary))).toEqual([]);
  });

  it('make no login too large, however many there are', async () => {
    await setPassEnv('*');
    const { user, host } = world().login(mode);
    const env = Object.fromEntries(Array.from({ length: 700 }, (_, index) => [`V${index}`, 'x'.repeat(300)]));
    const run1 = async (extra: Record<string, string>) =>
      await run(host.client, ['-c', 'env | grep -c "^V"; echo $LANG'], {
        uid: user.uid,
        gid: user.gid,
        env: { ...env, ...extra },
      });
    const many = await run1({ LANG: 'C' });
    expect(many.stdout.toString(), describeFinished(many)).toMatch(/^2\d\d\nC\n$/); // 64 KiB of them
    const huge = await run1({ HUGE: 'x'.repeat(120_000), LANG: 'C' });
    expect(huge.stdout.toString(), describeFinished(huge)).toMatch(/^2\d\d\nC\n$/);
  });
});

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
