// A login that brings along more than a session can have, or that meets a kernel without memory at any moment after the
// daemon has taken the client's connection: the client hears so at once, and the daemon loses no descriptor.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { makeRootfs } from '../fixtures/images/rootfs.ts';
import { descriptorsOf, descriptorsSettle } from '../fixtures/kernel/descriptors.ts';
import { control, lacks } from '../fixtures/machine.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';
import { builtImage, builtLayer, writeLayout } from './images/image-builder.ts';

/** Long before a client takes the daemon for dead. */
const answerMs = 20_000;
const large = (bytes: number): string => 'x'.repeat(bytes);
/** As the report had them: more than fits with what the session adds, and not more than fits the login. */
const manyVariables = { LC_BIG1: large(99_000), LC_BIG2: large(101_300) };
const longCommand = `: ${large(130_000)}; echo served`;

describe.skipIf(control || lacks('busybox'))('a login that brings too much along', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let attacker: TestUser;
  let victim: TestUser;
  let ofBigImage: TestUser;
  /** What was said of each image. */
  const imported = new Map<string, string>();

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host' } } }));
    attacker = parts.use(await TestUser.create({ shell: host.client }));
    victim = parts.use(await TestUser.create({ shell: host.client }));
    ofBigImage = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(attacker.uid, victim.uid, ofBigImage.uid);
    const rootfs = await makeRootfs(join(host.folder, 'rootfs'));
    const archive = join(host.folder, 'rootfs.tar');
    await runOk('tar', ['-C', rootfs, '-cf', archive, '.']);
    const layer = builtLayer(readFileSync(archive));
    const variables = (count: number, bytes: number): string[] =>
      Array.from({ length: count }, (_, index) => `V${index}=${large(bytes)}`);
    for (const [name, Env] of [
      ['lab/big', variables(200, 1000)],
      ['lab/many', variables(5000, 1)],
      ['lab/nul', ['V=a\0b']],
      ['lab/medium', variables(60, 1000)],
    ] as const) {
      const config = { Env };
      const image = builtImage([layer], { config: { config } });
      const layout = await writeLayout(join(host.folder, name.replace('/', '-')), image);
      const { stderr } = await host.ctl('image', 'import', '--progress', 'plain', name, layout);
      imported.set(name, stderr.toString());
    }
    await host.setPolicy({
      defaults: { image: 'host', linger: '1m' },
      users: { [ofBigImage.name]: { image: 'lab/medium' } },
    });
    expect((await login(victim, 'echo served')).stdout.toString()).toBe('served\n');
    expect((await login(attacker, 'echo served')).stdout.toString()).toBe('served\n');
  }, 180_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async (
    { uid, gid }: TestUser,
    command: string,
    env: Record<string, string> = {},
  ): Promise<Finished> => await run(host.client, ['-c', command], { uid, gid, env, timeoutMs: answerMs });

  const descriptors = (): Promise<number> => descriptorsOf(host);
  const settled = async (before: number): Promise<void> => await descriptorsSettle(host, before);

  it.each([
    [
      'sent with a long command',
      () => attacker,
      longCommand,
      { LC_BIG: large(69_900) },
      /came with the login: 69 KiB/,
    ],
    ['sent alone', () => attacker, 'echo ran', manyVariables, /came with the login: 19\d KiB/],
  ])('is told what is too large: variables %s', async (_name, user, command, env, what) => {
    const before = await descriptors();
    const result = await login(user(), command, env);
    expect(result.stdout.toString()).toBe('');
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stderr.toString()).toMatch(what);
    expect(result.stderr.toString()).toContain('[E_TOO_LARGE');
    await settled(before);
  });

  it('is told that the command is too large, beside an image with a share of its own', async () => {
    await host.setPolicy({
      defaults: { image: 'host', linger: '1m' },
      users: { [ofBigImage.name]: { image: 'lab/medium' } },
    });
    expect((await login(ofBigImage, 'echo served')).stdout.toString()).toBe('served\n');
    const before = await descriptors();
    const result = await run(host.client, ['-c', `: ${large(100_000)}`, large(45_000)], {
      uid: ofBigImage.uid,
      gid: ofBigImage.gid,
      timeoutMs: answerMs,
    });
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stderr.toString()).toMatch(/the command: 142 KiB.*variables of the image: 60 KiB/);
    await settled(before);
  });

  it('has what everybody needs: the longest command that ssh can carry, with variables', async () => {
    const command = `echo served ${large(131_071 - 'echo served  | wc -c'.length)} | wc -c`;
    const result = await login(attacker, command, { LC_ALL: large(20_000) });
    expect(result.stdout.toString().trim(), describeFinished(result)).toBe('131059');
  });

  it('cannot be sent so often that nobody else gets in', async () => {
    const before = await descriptors();
    const logins = async (count: number): Promise<Finished[]> =>
      await Promise.all(Array.from({ length: count }, () => login(attacker, 'echo ran', manyVariables)));
    for (let round = 0; round < 20; round += 1) {
      for (const result of await logins(20)) expect(result.code, describeFinished(result)).toBe(125);
    }
    expect((await login(victim, 'echo served')).stdout.toString()).toBe('served\n');
    expect((await login(attacker, 'echo served')).stdout.toString()).toBe('served\n');
    await settled(before);
  });

  // Where strace has a call fail that many times, everything that was taken before is ours to give back.
  const calls = [
    'sendmsg',
    'recvfrom',
    'shutdown',
    'setsockopt',
    'socketpair',
    'epoll_ctl',
    'accept4',
    'poll',
  ];
  it.each(calls)('or meets a kernel that refuses %s, loses nothing of the daemon’s', async (call) => {
    const before = await descriptors();
    for (let times = 1; times <= 8; times += 1) {
      const fault = `inject=${call}:error=ENOBUFS:when=1..${times}`;
      const tracer = new Running(
        'strace',
        ['-qq', '-p', String(host.daemonPid), '-e', `trace=${call}`, '-e', fault],
        {
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      await waitUntil(() => tracerOf(host.daemonPid) === tracer.pid, 'strace to be there');
      const served = await login(attacker, 'echo served');
      const refused = await login(attacker, 'echo ran', manyVariables);
      tracer.kill('SIGTERM');
      await tracer.finished();
      expect(`${served.stdout.toString()}${served.stderr.toString()}`).toMatch(
        /^served\n$|\[E_[A-Z]+, session/,
      );
      expect(refused.stderr.toString()).toMatch(/\[E_[A-Z_]+, session/);
    }
    await settled(before);
    expect((await login(victim, 'echo served')).stdout.toString()).toBe('served\n');
  });

  it('is told to whoever imports or commits the image, which is refused', async () => {
    const told =
      /image "lab\/\S+" is too large for any session.*"code": *"E_TOO_LARGE"|E_TOO_LARGE.*too large for any/s;
    for (const name of ['lab/big', 'lab/many']) expect(imported.get(name), name).toMatch(told);
    expect(imported.get('lab/nul')).toMatch(/"V=a\\+0*0*b?.*has a NUL character in it/);
    expect(imported.get('lab/medium')).not.toContain('E_');
    const { name } = ofBigImage;
    await host.setPolicy({ defaults: { image: 'host' }, users: { [name]: { image: 'lab/medium' } } });
    expect((await login(ofBigImage, 'echo served')).stdout.toString()).toBe('served\n');
    const changes = [...'ABCDEFGH'].flatMap((variable) => ['--change', `ENV ${variable}=${large(14_000)}`]);
    const committed = await host.ctl('commit', '--progress', 'plain', ...changes, name, 'lab/own');
    expect(committed.code, describeFinished(committed)).toBe(65);
    expect(committed.stderr.toString()).toMatch(told);
  });
});

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
