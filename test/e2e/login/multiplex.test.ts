// Many sessions over one connection, and many connections of one user.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { waitUntil } from '../../fixtures/process.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

describe.each(everyMode)('as %s', (mode) => {
  it('runs ten sessions at a time over one ControlMaster connection', async () => {
    const login = world().login(mode);
    const socket = join(login.host.folder, `control-${mode}`);
    await using master = login.start(undefined, ['-N', '-o', 'ControlMaster=yes', '-S', socket]);
    const mux = ['-o', 'ControlMaster=no', '-S', socket];
    await waitUntil(async () => {
      if (master.exited) throw new Error(`the master ended: ${master.stderr.toString()}`);
      return (await login.ssh(undefined, { options: [...mux, '-O', 'check'] })).code === 0;
    }, 'the master connection');

    const ten = Array.from({ length: 10 }, (_, n) => n);
    const barrier = `multiplex-${mode}`;
    const results = await Promise.all(
      ten.map(async (n) => {
        const input = randomBytes(200_000 + n);
        // Each waits until all ten have started, so they do run at the same time.
        const command = `mkdir -p ${barrier}; touch ${barrier}/${n}
          until [ "$(ls ${barrier} | wc -l)" = 10 ]; do sleep 0.05; done; cat; exit ${n}`;
        const result = await login.ssh(command, { options: n % 2 ? mux : [...mux, '-T'], input });
        return { code: result.code, same: result.stdout.equals(input) };
      }),
    );
    expect(results).toEqual(ten.map((n) => ({ code: n, same: true })));
    await login.ssh(undefined, { options: [...mux, '-O', 'exit'] });
  });

  it('passes statuses through a master, and has it end when its sessions have', async () => {
    const login = world().login(mode);
    const socket = join(login.host.folder, `status-${mode}`);
    await using master = login.start(undefined, ['-N', '-M', '-S', socket]);
    const ssh = async (command: string | undefined, options: readonly string[] = []) =>
      await login.ssh(command, { options: ['-S', socket, ...options] });
    await waitUntil(async () => {
      if (master.exited) throw new Error(`the master ended: ${master.stderr.toString()}`);
      return (await ssh(undefined, ['-O', 'check'])).code === 0;
    }, 'the master connection');
    // The last two as OpenSSH's own tests have them: by the master's protocol alone, and with outputs that close first.
    for (const options of [[], ['-O', 'proxy']]) {
      for (const status of [0, 1, 4, 44])
        expect([options, (await ssh(`exit ${status}`, options)).code]).toEqual([options, status]);
      const closed = await ssh('exec >/dev/null 2>&1; sleep 0.5; exit 5', [...options, '-n']);
      expect([options, closed.code]).toEqual([options, 5]);
    }
    await using session = login.start('echo here; read line; exit 6', ['-S', socket]);
    await session.waitForOutput('here');
    expect((await ssh(undefined, ['-O', 'stop'])).code).toBe(0);
    session.process.stdin?.end('go on\n');
    expect((await session.finished()).code).toBe(6);
    await master.finished();
  });

  it('gives each of ten terminals at a time its own', async () => {
    const login = world().login(mode);
    const count = 10;
    const barrier = `terminals-${mode}`;
    const command = `mkdir -p ${barrier}; touch ${barrier}/$$
      until [ "$(ls ${barrier} | wc -l)" = ${count} ]; do sleep 0.05; done; tty; sleep 0.5`;
    const results = await Promise.all(
      Array.from({ length: count }, async () => await login.ssh(command, { options: ['-tt'] })),
    );
    const names = results.map((result) => result.stdout.toString().trim());
    for (const name of names) expect(name).toMatch(/^\/dev\/pts\/\d+$/);
    expect(new Set(names).size).toBe(count);
    expect(results.every(({ code }) => code === 0)).toBe(true);
  });

  it('carries many short commands, one after the other, on one ssh2 connection', async () => {
    await using connection = await world().login(mode).ssh2();
    for (let n = 0; n < 30; n++) {
      const command = await connection.start(`echo ${n}; exit ${n}`);
      const result = await command.finished();
      expect(result.stdout.toString()).toBe(`${n}\n`);
      expect(result.code).toBe(n);
    }
  });
});
