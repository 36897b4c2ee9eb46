// Those who are in a sandbox are told what becomes of it: on their own terminals, and where there is none with the end of
// their session.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import { lacks, unlimited } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { type Finished, Running, waitUntil } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { VerbsHost } from './verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '1s', memory: '48M' };
const stopped = 'Your sandbox is being stopped by the administrator of this host';

describe.skipIf(lacks('busybox'))('whoever is in a sandbox', () => {
  let verbs: VerbsHost;
  const execArgs = (...command: string[]): string[] => {
    const socket = join(verbs.host.runFolder, 'admin.sock');
    return [ctlBundle, '--socket', socket, 'exec', verbs.name, '--', ...command];
  };
  const ready = async (script: string): Promise<Running> => {
    const session = new Running(nodeProgram, execArgs('/bin/sh', '-c', `echo ready; ${script}`));
    await session.waitForOutput('ready');
    return session;
  };
  const terminal = async (): Promise<Terminal> => {
    const screen = new Terminal(nodeProgram, execArgs('/bin/sh'));
    await screen.prompt();
    return screen;
  };
  const message = async (...words: string[]): Promise<unknown> =>
    await verbs.host.ctlOk('message', verbs.name, ...words);

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults } });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('reads a message on every terminal, and nobody else does', async () => {
    await using one = await terminal();
    await using two = await terminal();
    await using plain = await ready('read line; echo "$line"');
    expect(await message('neue', 'Platten – größer', '100 %s')).toEqual({
      users: [{ user: verbs.name, terminals: 2 }],
    });
    for (const screen of [one, two]) {
      await screen.expect(
        /\r\ndockersh: The administrator of this host says: neue Platten – größer 100 %s\r\n/,
      );
      expect((await screen.command('echo on')).output).toBe('on\n');
    }
    plain.process.stdin?.end('last\n');
    const { stdout, stderr } = await plain.finished();
    expect([stdout.toString(), stderr.toString()]).toEqual(['ready\nlast\n', '']);
  });

  it('reads it whole while a program prints as fast as it can', async () => {
    await using screen = await terminal();
    screen.send('while :; do echo 0123456789abcdef; done\r');
    await screen.expect(/(0123456789abcdef\s+){100}/);
    for (let n = 0; n < 20; n += 1) await message('number', String(n));
    await screen.expect(/says: number 19\r\n/);
    for (let n = 0; n < 20; n += 1) {
      expect(screen.text).toContain(`\r\ndockersh: The administrator of this host says: number ${n}\r\n`);
    }
  });

  it('holds nobody up by a client that has been stopped, which still hears of the end', async () => {
    await using screen = await terminal();
    screen.send("echo be''gun; sleep 2; exit 42\r");
    await screen.expect(/begun/);
    const client = verbs.host.processes().find(({ exe }) => exe === 'dockersh-exec');
    if (client === undefined) throw new Error('no client');
    process.kill(client.pid, 'SIGSTOP');
    const socketPath = join(verbs.host.runFolder, 'admin.sock');
    for (let n = 0; n < 500; n += 1) {
      await callAdmin('message', { user: verbs.name, text: 'x'.repeat(690) }, { socketPath });
    }
    await waitUntil(
      async () => (await verbs.host.sandboxOf({ name: verbs.name }))?.sessions.length === 0,
      'the session to end',
    ).finally(() => process.kill(client.pid, 'SIGCONT'));
    expect((await screen.exited()).code).toBe(42);
  });

  it('is told of a stop: on a terminal before the end, elsewhere with it', async () => {
    await using screen = await terminal();
    await using plain = await ready('sleep 1000');
    await using stubborn = await ready("trap '' TERM HUP; while :; do sleep 0.1; done");
    expect(await verbs.host.ctlOk('stop', '--all', '--message', 'back at noon')).toEqual({
      sandboxes: [{ user: verbs.name, stopped: true }],
    });
    await screen.expect(new RegExp(`\r\ndockersh: ${stopped}: back at noon\r\n`));
    await screen.exited();
    expect(screen.text.split(stopped).length).toBe(2);
    for (const session of [plain, stubborn]) {
      const { code, stderr } = await session.finished();
      expect(code).not.toBe(0);
      expect(stderr.toString()).toBe(`dockersh: ${stopped}: back at noon\n`);
    }
  });

  it('is told of it without a message as well', async () => {
    await using plain = await ready('sleep 1000');
    await verbs.host.ctlOk('stop', verbs.name);
    expect((await plain.finished()).stderr.toString()).toBe(`dockersh: ${stopped}.\n`);
  });

  it('is told nothing where the session ends by itself', async () => {
    const result = await verbs.exec('/bin/sh', '-c', 'kill -9 $$');
    expect([result.code, result.stderr.toString()]).toEqual([137, '']);
  });

  describe.skipIf(unlimited)('that runs out of memory', () => {
    const hungry = async (): Promise<Finished> =>
      await verbs.exec('busybox', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1');

    it('is told on every terminal which program was ended by which limit, and stats and log have it', async () => {
      await verbs.host.ctlOk('stop', verbs.name);
      await using screen = await terminal();
      await using other = await terminal();
      const hog = 'busybox dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null';
      screen.send(`${hog}\r`);
      const said = /\r\ndockersh: Your sandbox's memory limit of 48M ended busybox\.\r\n/;
      await screen.expect(said);
      await other.expect(said);
      for (let n = 0; n < 3; n += 1) await screen.command(`${hog}; true`);
      // The rest is told together.
      await screen.expect(/ended busybox and 2 other processes\.\r\n/);
      const { sandboxes } = (await verbs.host.ctlOk('stats')) as {
        sandboxes: { user: string; oomKilled: number }[];
      };
      expect(sandboxes.find(({ user }) => user === verbs.name)?.oomKilled).toBe(4);
      const lines = verbs.host.logRecords().filter(({ event }) => event === 'out-of-memory');
      expect(lines.at(-1)).toMatchObject({
        process: 'busybox',
        limitBytes: 48 * 1024 ** 2,
        user: verbs.name,
      });
      expect(lines.length).toBeGreaterThanOrEqual(4);
    });

    it('is told so, each time, and not when something else kills the session', async () => {
      for (let n = 0; n < 2; n += 1) {
        const { code, stderr } = await hungry();
        expect(code).toBe(137);
        expect(stderr.toString()).toBe(
          'dockersh: Your sandbox ran out of memory: the kernel has killed processes in it.\n',
        );
        const killed = await verbs.exec('/bin/sh', '-c', 'kill -9 $$');
        expect([killed.code, killed.stderr.toString()]).toEqual([137, '']);
      }
    });
  });
});
