// Ends what stands in the gateway's monitor's place, its forwarder and its sandbox, and looks at what is left behind.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OwnedFd } from '../../../src/lib/fd.ts';
import { u32Of, WireWriter } from '../../../src/lib/wire.ts';
import { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { childrenOf, parentOf } from '../../fixtures/supervisor.ts';
import { TestUser } from '../../fixtures/users.ts';
import { Insider, type Session } from './insider.ts';

describe.skipIf(control)('a connection of the gateway’s', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;

  beforeAll(async () => {
    const defaults = { image: 'host', linger: '1h', stop_grace: '0', hangup_grace: '100ms' };
    host = parts.use(await Host.start({ outsideTmp: true, policy: { defaults } }));
    user = parts.use(await TestUser.create({ shell: '/bin/bash' }));
    host.uids.push(user.uid);
  }, 120_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const forwarderOf = (insider: Insider): number =>
    childrenOf(insider.monitor.pid).find(
      (pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockersh-forwar',
    ) ?? 0;

  const connections = async (): Promise<number> => (await host.sandboxOf(user))?.connections.length ?? 0;

  /** Has an agent, a path and a session; what becomes of them afterwards somebody else looks at. */
  async function busy(insider: Insider): Promise<{ paths: string[]; session: Session }> {
    const agent = await insider.opened('gwListen', 'agent');
    const path = `${user.home}/socket`;
    const socket = await insider.opened('gwListen', 'unix', path);
    for (const { fd } of [agent, socket]) new OwnedFd(fd)[Symbol.dispose]();
    const session = await insider.start({ command: 'exec -a of-the-connection sleep 300' });
    return { paths: [agent.text ?? '', path], session };
  }

  /** One that is there all the time. */
  async function isGone(other: Insider, paths: readonly string[]): Promise<void> {
    const there = `ls -d ${paths.join(' ')} 2>/dev/null; pgrep -f '^of-the-connectio[n]'`;
    await waitUntil(async () => (await other.run(there)).out === '', 'everything to go', 15_000);
  }

  it.each(['ends', 'is killed'])('takes everything away when its monitor %s', async (how) => {
    await using other = Insider.start(host, user);
    const insider = Insider.start(host, user);
    const { paths, session } = await busy(insider);
    expect((await other.run(`ls -d ${paths.join(' ')}`)).code).toBe(0);
    if (how === 'is killed') process.kill(insider.monitor.pid, 'SIGKILL');
    else insider.hangUp();
    session.close(); // as its connection process does, which ends with it
    await isGone(other, paths);
    await insider[Symbol.asyncDispose]();
    await waitUntil(async () => (await connections()) === 1, 'the connection to be counted no more', 10_000);
  });

  it('leaves a session that is kept to go on', async () => {
    const defaults = 'image = host\nlinger = 1h\nstop_grace = 0\nhangup_grace = 100ms\n';
    await host.setPolicy(`[defaults]\n${defaults}on_hangup = keep\n`);
    for (const how of ['ends', 'is killed']) {
      const insider = Insider.start(host, user);
      const session = await insider.start({ term: 'xterm' });
      session.write('echo ready\n');
      await waitUntil(() => /^ready/m.test(session.out), 'its prompt', 10_000);
      if (how === 'is killed') process.kill(insider.monitor.pid, 'SIGKILL');
      else insider.hangUp();
      await insider.monitor.finished(10_000); // before its terminal is let go
      session.close();
      const left = async (): Promise<number> =>
        ((await host.sandboxOf(user))?.sessions ?? []).filter(({ leftAt }) => leftAt !== null).length;
      await waitUntil(async () => (await left()) === 1, `the session to be left: ${how}`, 10_000);
      await insider[Symbol.asyncDispose]();
      await host.ctlOk('stop', user.name);
    }
    await host.setPolicy(`[defaults]\n${defaults}`);
  });

  it('goes on when its forwarder is killed, and has another', async () => {
    await using insider = Insider.start(host, user);
    const listening = await insider.opened('gwListen', 'tcp', 'localhost', 0);
    const first = forwarderOf(insider);
    expect(first).toBeGreaterThan(1);
    process.kill(first, 'SIGKILL');
    await waitUntil(() => forwarderOf(insider) === 0, 'it to go', 10_000);
    const server = createServer((socket) => socket.end());
    server.listen({ fd: listening.fd });
    const connected = await insider.opened('gwConnect', 'tcp', 'localhost', listening.port);
    expect(connected.code).toBe(0);
    expect(forwarderOf(insider)).not.toBe(first);
    new OwnedFd(connected.fd)[Symbol.dispose]();
    server.close();
  });

  it('makes only so many connections at a time, and listens at only so many places', async () => {
    await using insider = Insider.start(host, user);
    const path = `${user.home}/full`;
    const listening = await insider.opened('gwListen', 'unix', path);
    const program = `import socket, time
full = socket.socket(socket.AF_UNIX); full.bind("${path}2"); full.listen(0); print("there", flush=True); time.sleep(300)`;
    const session = await insider.start({ command: `python3 -c '${program}'` });
    await waitUntil(() => session.out.includes('there'), 'a socket that accepts nobody', 10_000);
    const slots = Array.from({ length: 100 }, () => insider.nextSlot());
    for (const slot of slots) {
      const ask = new WireWriter('gwConnect').u32('slot', slot).text('kind', 'unix').text('name', `${path}2`);
      insider.say(ask.finish());
    }
    // One is queued, 64 wait, and those that come then are refused.
    const refused = await Promise.all(
      slots.slice(70).map(async (slot) => u32Of((await insider.answer('gwOpened', slot)).message, 'code')),
    );
    expect(new Set(refused)).toEqual(new Set([11])); // EAGAIN
    session.close();
    let codes = new Set<number>();
    for (let count = 0; count < 130; count += 1) {
      const { code, fd } = await insider.opened('gwListen', 'tcp', 'localhost', 0);
      if (fd >= 0) new OwnedFd(fd)[Symbol.dispose]();
      codes = codes.add(code);
      if (code !== 0) break;
    }
    expect([...codes]).toEqual([0, 11]);
    new OwnedFd(listening.fd)[Symbol.dispose]();
  });

  it('ends with its sandbox, however that ends', async () => {
    for (const how of ['stop', 'kill']) {
      await using insider = Insider.start(host, user);
      await busy(insider);
      const init = (await host.sandboxOf(user))?.initPid ?? 0;
      if (how === 'stop') await host.ctlOk('stop', user.name);
      else process.kill(parentOf(init), 'SIGKILL');
      await waitUntil(() => insider.hasEnded, `its end after ${how}`, 10_000);
    }
    await using insider = Insider.start(host, user);
    expect((await insider.run('echo again')).out).toBe('again\n');
  });
});
