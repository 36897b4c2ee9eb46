// Connections of sshd's from their beginning to their end: the module that asks, the sandbox that counts them, and what is left of each
// when the other goes. With this test in the daemon's place and a small program in sshd's.

import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { textOf, WireWriter } from '../../../src/lib/wire.ts';
import { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Running, run, waitUntil } from '../../fixtures/process.ts';
import { childrenOf, parentOf } from '../../fixtures/supervisor.ts';
import { TestUser } from '../../fixtures/users.ts';
import { idOf, Joiner, module } from './joiner.ts';

describe.skipIf(control)('a connection of sshd’s', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;
  let joiner: Joiner;

  /** PID 1 of a sandbox that hears this test and no daemon. */
  const start = async (linger = '1h'): Promise<number> => {
    await host.setPolicy({ defaults: { image: 'host', linger, stop_grace: '0' } });
    await host.startDaemon();
    const result = await run(host.client, ['-c', 'echo mine >/tmp/mine'], { uid: user.uid, gid: user.gid });
    if (result.code !== 0) throw new Error(describeFinished(result));
    const init = (await host.sandboxOf(user))?.initPid ?? 0;
    await host.killDaemon();
    joiner.heard.length = 0;
    await joiner.takeOver(host);
    return init;
  };
  /** One with nothing but forwards. */
  const open = async (): Promise<Running> => {
    const running = joiner.open([]);
    await running.waitForOutput('open');
    return running;
  };

  beforeAll(async () => {
    host = parts.use(await Host.start({}));
    await host.killDaemon();
    user = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
    joiner = parts.use(await Joiner.start(user, `client=${host.client}`));
  }, 120_000);

  afterEach(async () => {
    joiner.treatment = 'give';
    if (joiner.connected) {
      joiner.say(new WireWriter('stop').finish());
      await joiner.next('left');
    }
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  it('keeps its sandbox from lingering out, and is told of when it has ended', async () => {
    await start('3s');
    await using running = await open();
    await sleep(4_500);
    expect(await joiner.text('cat /tmp/mine')).toBe('mine');
    await joiner.next('connectionEnded');
    running.process.stdin?.end();
    expect(idOf(await joiner.next('connectionEnded'))).toMatch(/^connection-/);
    await joiner.next('left');
  });

  it('lasts as long as sshd’s child, whatever becomes of the monitor', async () => {
    await start();
    await using running = joiner.open(['--stay']);
    await running.waitForOutput('open');
    const [child = 0] = childrenOf(running.pid);
    process.kill(running.pid, 'SIGKILL');
    await sleep(300);
    expect(joiner.heard.filter(({ type }) => type === 'connectionEnded')).toEqual([]);
    process.kill(child, 'SIGKILL');
    await joiner.next('connectionEnded');
  });

  it.each(['is stopped', 'ends by itself'])('ends when its sandbox %s', async (how) => {
    const init = await start();
    await using running = await open();
    const [child = 0] = childrenOf(running.pid);
    if (how === 'is stopped') joiner.say(new WireWriter('stop').finish());
    else process.kill(init, 'SIGKILL');
    expect(await running.finished()).toMatchObject({ signal: 'SIGTERM' });
    await waitUntil(() => !exists(child), 'sshd’s child to hear of it by itself');
    await joiner.next('left');
  });

  it('ends when the supervisor is killed, without anybody’s help', async () => {
    const init = await start();
    await using running = await open();
    const [child = 0] = childrenOf(running.pid);
    process.kill(parentOf(init), 'SIGKILL');
    expect(await running.finished(5_000)).toMatchObject({ signal: 'SIGTERM' });
    await waitUntil(() => !exists(child), 'sshd’s child to hear of it by itself');
    await joiner.next('left');
  });

  it('is refused with the daemon’s words', async () => {
    joiner.treatment = 'refuse';
    const result = await joiner.run('echo in');
    expect(result).toMatchObject({ code: 254 });
    expect(result.stderr.toString()).toBe('dockersh: Not today.\n');
  });

  it('stays where it is when the account is exempt', async () => {
    joiner.treatment = 'outside';
    expect(await joiner.text('ls -d /proc/self; echo $HOME')).toContain('/proc/self');
  });

  it('is refused after two seconds where nobody answers, or nobody is there', async () => {
    joiner.treatment = 'silent';
    const measure = async (): Promise<number> => {
      const from = performance.now();
      const result = await joiner.run('echo in');
      expect(result).toMatchObject({ code: 254 });
      expect(result.stderr.toString()).toContain('does not answer');
      expect(result.stdout.toString()).toBe('');
      return performance.now() - from;
    };
    expect(await measure()).toBeGreaterThan(1_900);
    const file = `/etc/pam.d/${joiner.service}`;
    const line = `session required ${module} client=${host.client} socket=/srv/nothing-is-there`;
    await writeFile(file, `${line} early\n${line}\n`);
    expect(await measure()).toBeGreaterThan(1_900);
    await joiner.writeService();
  });

  it('is none where the account is none of ours, and is refused where a line is missing', async () => {
    const file = `/etc/pam.d/${joiner.service}`;
    const line = `session required ${module} socket=/srv/nothing-is-there`;
    await using outsider = await TestUser.create({ shell: '/bin/sh' });
    const as = async (name: string, lines: string): Promise<number | null> => {
      await writeFile(file, `session required pam_permit.so\n${lines}`);
      return (await joiner.open(['true'], false, name).finished()).code;
    };
    try {
      expect(await as(outsider.name, `${line} early\n${line}\n`)).toBe(0);
      expect(await as('root', `${line} early all\n${line} all\n`)).toBe(0);
      expect(await as(outsider.name, `${line} all\n`)).toBe(254);
      expect(
        await as(
          outsider.name,
          `${line} early groups=a,${outsider.name}\n${line} groups=a,${outsider.name}\n`,
        ),
      ).toBe(254);
      expect(await as(outsider.name, `${line} users=a,${outsider.name}\n`)).toBe(254);
      expect(await as(outsider.name, `${line} users=${outsider.name}x,\n`)).toBe(0);
      expect(await as(user.name, `${line} client=${host.client}\n`)).toBe(254);
    } finally {
      await joiner.writeService();
    }
  }, 30_000);

  it('gives a shell of the host’s no home of the sandbox’s', async () => {
    await start();
    await joiner.writeService('all client=/nothing');
    try {
      await joiner.text(`echo 'echo from the sandbox' >${user.home}/.bashrc`);
      const environment = await joiner.text(
        'echo "$HOME|$ZDOTDIR|$BASH_ENV|$ENV|$XAUTHORITY"; ls -A /.bashrc /.profile',
      );
      expect(environment).toBe(`/|/|||${user.home}/.Xauthority`);
      await using running = joiner.open([
        'env',
        'SSH_CLIENT=1 2 3',
        'SSH_CONNECTION=1',
        'bash',
        '-c',
        'echo shell',
      ]);
      running.process.stdin?.end();
      expect((await running.finished()).stdout.toString()).toBe('open\nshell\n');
    } finally {
      await joiner.writeService();
    }
  });

  it('is told when its view can’t be made', async () => {
    await start();
    joiner.account = { run: '/tmp/x' };
    try {
      const result = await joiner.run('true');
      expect(result.code).toBe(254);
      expect(result.stderr.toString()).toContain("can't be joined");
      expect(textOf(await joiner.next('connectionEnded'), 'text')).toContain(
        "a folder that is the sandbox's",
      );
    } finally {
      joiner.account = {};
    }
  });
});

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
