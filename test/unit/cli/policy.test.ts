// Tests of the verbs "policy check" and "policy explain".

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AdminResult } from '../../../src/protocol/admin.ts';
import { answerOk, cli, FakeDaemon } from './fake-daemon.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  await mkdir(join(folder, 'new/conf.d'), { recursive: true });
  await mkdir(join(folder, 'old'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text, { mode: 0o644 });
  return join(folder, name);
}

describe('policy check', () => {
  it('warns of sections for accounts that this host does not have', async () => {
    const file = await write('new/dockersh.ini', '[defaults]\nimage = host\n');
    await write('new/conf.d/a.ini', '[user:root-x, nobody]\npids = 20\n[group:no such group]\n');
    const { status, stdout } = await cli(['policy', 'check', file]);
    expect(stdout).toMatch(/a\.ini:1:1: warning: \[user:root-x, nobody\]: this host has no user root-x/);
    expect(stdout).toMatch(/a\.ini:3:1: warning: .* no group no such group/);
    expect(stdout).not.toMatch(/no user nobody/);
    expect(status).toBe(0);
  });

  it('names who is affected by an edit', async () => {
    const old = await write('old/dockersh.ini', '[defaults]\nimage = host\n');
    const file = await write('new/dockersh.ini', '[defaults]\nimage = host\n[user:nobody]\npids = 20\n');
    const { status, stdout } = await cli(['policy', 'check', file, '--against', old]);
    expect(stdout).toContain('1 user: nobody\n    pids: 1024 -> 20\n');
    expect(status).toBe(0);
    const same = await cli(['policy', 'check', file, '--against', file, '--json']);
    expect(JSON.parse(same.stdout)).toMatchObject({ valid: true, affected: [] });
  });

  it('fails where the old one is broken', async () => {
    const old = await write('old/dockersh.ini', '[defaults]\nimgae = host\n');
    const file = await write('new/dockersh.ini', '[defaults]\nimage = host\n');
    expect((await cli(['policy', 'check', file, '--against', old])).status).toBe(78);
  });
});

describe('policy check, of profiles of system calls', () => {
  it('names the line, the file, and what is wrong with it', async () => {
    const profile = await write('new/profile.json', '{"defaultAction": "SCMP_ACT_ALOW"}');
    const text = `[defaults]\nimage = host\n[group:lab]\nseccomp = ${profile}\n[user:nobody]\nseccomp = /nonexistent.json\n`;
    const { status, stdout } = await cli(['policy', 'check', await write('new/dockersh.ini', text)]);
    expect(stdout).toContain(
      `dockersh.ini:4: error: seccomp: ${profile} defaultAction: unknown action "SCMP_ACT_ALOW"; did you mean SCMP_ACT_ALLOW?`,
    );
    expect(stdout).toMatch(/dockersh\.ini:6: error: seccomp: \/nonexistent\.json does not exist\n/);
    expect(status).toBe(78);
  });
});

describe('policy explain', () => {
  const answer: AdminResult<'policy.explain'> = {
    user: 'ada',
    account: true,
    groups: ['lab'],
    policyFault: null,
    refused: null,
    problems: [],
    keys: [
      {
        key: 'memory',
        value: '4G',
        from: [{ text: '4G', file: '/etc/dockersh/dockersh.ini', line: 7, section: 'group:lab' }],
        overrode: [{ text: '2G' }],
      },
      { key: 'shell', value: null, from: [], overrode: [] },
    ],
  };

  it('prints value, place and what it overrode', async () => {
    await using daemon = await FakeDaemon.start(answerOk(answer));
    const { stdout, status } = await cli(['--socket', daemon.socketPath, 'policy', 'explain', 'ada']);
    expect(stdout.split('\n')).toEqual([
      'ada: groups lab',
      'KEY     VALUE  FROM                                      OVERRODE',
      'memory  4G     /etc/dockersh/dockersh.ini:7 [group:lab]  2G (default)',
      'shell   -      -                                         -',
      '',
    ]);
    expect(status).toBe(0);
  });

  it('shows some keys, and only what a line says', async () => {
    await using daemon = await FakeDaemon.start(
      answerOk({
        ...answer,
        keys: [...answer.keys, { ...answer.keys[0], key: 'memory_high', from: [{ text: '1' }] }],
      }),
    );
    const keysOf = async (...args: string[]): Promise<string[]> => {
      const run = await cli(['--socket', daemon.socketPath, '--json', 'policy', 'explain', 'ada', ...args]);
      return (JSON.parse(run.stdout) as { keys: { key: string }[] }).keys.map(({ key }) => key);
    };
    expect(await keysOf()).toEqual(['memory', 'shell', 'memory_high']);
    expect(await keysOf('--changed')).toEqual(['memory']);
    expect(await keysOf('memory')).toEqual(['memory']);
    expect(await keysOf('mem', 'shell')).toEqual(['memory', 'shell', 'memory_high']);
    expect(await keysOf('shell', '--changed')).toEqual([]);
    const strange = await cli(['--socket', daemon.socketPath, 'policy', 'explain', 'ada', 'memroy']);
    expect(strange.status).toBe(64);
    expect(strange.stderr).toContain('Did you mean memory?');
  });

  it('says that there is no such account, that logins are refused, and that files are broken', async () => {
    const policyFault = { since: '2026-01-02T03:04:05.678Z', problems: ['a.ini:1: no'] };
    const refused = { code: 'E_NO_POLICY', why: 'the policy names no image for ada' };
    await using daemon = await FakeDaemon.start(
      answerOk({ ...answer, account: false, policyFault, refused }),
    );
    const { stdout } = await cli(['--socket', daemon.socketPath, 'policy', 'explain', 'ada']);
    expect(stdout).toMatch(/knows no such account/);
    expect(stdout).toMatch(
      /^ATTENTION: the policy is broken: the last good one, of 2026-01-02T03:04:05\S*, is in force/m,
    );
    expect(stdout).toMatch(/refused: the policy names no image for ada \[E_NO_POLICY\]/);
  });
});

describe('maintenance status', () => {
  async function status(...args: string[]) {
    const health = {
      config: join(folder, 'new/dockersh.ini'),
      state: '/s',
      run: '/r',
      audit: '/var/log/dockersh',
      libexec: '/l',
    };
    await using daemon = await FakeDaemon.start(
      answerOk({ ...health, unenforced: [], policyFault: null, recordingsWaiting: 0 }),
    );
    return await cli(['--socket', daemon.socketPath, 'maintenance', 'status', ...args]);
  }

  it('says that logins are open', async () => {
    await write('new/dockersh.ini', '[defaults]\nimage = host\n[user:root]\nmaintenance = none\n');
    const { status: exit, stdout } = await status();
    expect([exit, stdout]).toEqual([0, 'logins are open\n']);
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({ on: false });
  });

  it('names every line that closes them, and who gets in all the same', async () => {
    const file = await write(
      'new/dockersh.ini',
      '[defaults]\nimage = host\n[user:ada, eve]\nmaintenance = none\n[group:lab]\nmaintenance = "old, at"\n',
    );
    const own = await write(
      'new/conf.d/zz-maintenance.ini',
      '[group:lab]\nmaintenance = "new\\u202e; disks"\n',
    );
    const { stdout } = await status();
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^logins of \[group:lab\] are closed: new.*; disks /),
      `logins of [user:ada, eve] are open all the same (${file}:4)`,
      '',
    ]);
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({
      on: true,
      lines: [
        { section: 'group:lab', file: own, line: 2 },
        { section: 'user:ada, eve', message: null },
      ],
    });
  });

  it('fails while the policy is broken', async () => {
    await write('new/dockersh.ini', '[defaults]\nimgae = host\n');
    expect((await status()).status).toBe(78);
  });
});
