// Published ports: what comes to an address of the host gets to the sandbox's loopback, and nothing else does.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import { type Running, waitUntil } from '../../fixtures/process.ts';

const python = '/usr/bin/python3';
const program = join(import.meta.dirname, '../../fixtures/network/published.py');
const id = 0x8765_0000;

let host: NetworkNamespace;
let inside: NetworkNamespace;
let supervisor: Running;
const stack = new AsyncDisposableStack();

async function start(space: NetworkNamespace, ...args: string[]): Promise<Running> {
  const running = stack.use(space.start(python, [program, ...args]));
  await running.waitForOutput('ready');
  return running;
}

const client = async (...args: string[]): Promise<string> => (await host.ok(python, program, ...args)).trim();

/** What the supervisor says of a plan. */
async function publish(...lines: string[]): Promise<string> {
  const before = supervisor.stdout.toString();
  supervisor.process.stdin?.write(`${lines.join(',')}\n`);
  await waitUntil(() => supervisor.stdout.toString().slice(before.length).includes('\n'), 'an answer');
  return supervisor.stdout.toString().slice(before.length).trim();
}

const pidOf = (said: string): number => Number(/^ok (\d+)$/.exec(said)?.[1]);

beforeAll(async () => {
  host = stack.use(await NetworkNamespace.create());
  inside = stack.use(await NetworkNamespace.create());
  for (const address of ['192.0.2.1/32', '192.0.2.2/32'])
    await host.ok('ip', 'address', 'add', address, 'dev', 'lo');
  await host.ok('ip', 'address', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
  const args = [`/proc/${inside.pid}/ns/net`, String(id)];
  supervisor = stack.use(host.start(join(buildFolder, 'obj/test-network/publish'), args));
  await start(inside, 'echo', '127.0.0.1', '80');
  await start(inside, 'echo', '::1', '81');
});

afterAll(async () => {
  await stack.disposeAsync();
});

describe('a port of TCP', () => {
  it('is at exactly the address that is named', async () => {
    expect(await publish('tcp 192.0.2.1 8080-8080 80-80', 'tcp 2001:db8::1 8080-8080 80-80')).toMatch(/^ok /);
    expect(await client('try', '192.0.2.1', '8080')).toBe('pong');
    expect(await client('try', '2001:db8::1', '8080')).toBe('pong');
    for (const [address, port] of [
      ['192.0.2.2', '8080'],
      ['127.0.0.1', '8080'],
      ['192.0.2.1', '80'],
      ['::1', '8080'],
    ] as const)
      expect(await client('try', address, port)).toBe('ConnectionRefusedError');
  });

  it('passes everything on in both directions, and the end of one direction as that alone', async () => {
    expect(await client('upload', '192.0.2.1', '8080', '0')).toBe('same');
    expect(await client('upload', '192.0.2.1', '8080', '1')).toBe('same');
    expect(await client('upload', '192.0.2.1', '8080', String((256 << 20) + 7))).toBe('same');
    expect(await client('much', '192.0.2.1', '8080')).toMatch(/^6710\d{4}$/);
  });

  it('finds a service on the other family of the loopback, and resets what finds none', async () => {
    await publish('tcp 192.0.2.1 8080-8083 80-83');
    expect(await client('try', '192.0.2.1', '8081')).toBe('pong');
    expect(await client('try', '192.0.2.1', '8083')).toBe('ConnectionResetError');
  });

  it('goes on when clients leave in the middle', async () => {
    const pid = pidOf(await publish('tcp 192.0.2.1 8080-8083 80-83'));
    await client('leave', '192.0.2.1', '8080');
    await client('leave', '192.0.2.1', '8080');
    // The service inside has what it wanted to send to all of them still to be refused.
    await waitUntil(async () => (await client('try', '192.0.2.1', '8080')) === 'pong', 'its turn');
    expect(pidOf(await publish('tcp 192.0.2.1 8080-8083 80-83'))).toBe(pid);
  });

  it('has so many connections and no more; others have theirs when these are gone', async () => {
    const holding = host.start(python, [program, 'hold', '192.0.2.1', '8080', '1100']);
    await holding.waitForOutput('\n');
    expect(holding.stdout.toString()).toBe('1024\n');
    await holding[Symbol.asyncDispose]();
    await waitUntil(async () => (await client('try', '192.0.2.1', '8080')) === 'pong', 'a connection again');
  });
});

describe('a port of UDP', () => {
  it('keeps clients apart, and answers from the address that they have sent to', async () => {
    await publish('udp 0.0.0.0 60000-60002 80-82', 'udp :: 60001-60001 80-80');
    const lines = (await client('say', '192.0.2.2', '60000', 'a', 'b', 'c')).split('\n');
    expect(lines.map((line) => line.replace(/ 127\.0\.0\.1 \d+ /, ' '))).toEqual(
      ['a0', 'b0', 'c0', 'a1', 'b1', 'c1'].map((word) => `192.0.2.2 ${word}`),
    );
    const ports = lines.map((line) => line.split(' ')[2]);
    expect(ports.slice(0, 3)).toEqual(ports.slice(3));
    expect(new Set(ports).size).toBe(3);
    expect(await client('say', '2001:db8::1', '60001', 'x')).toMatch(/^2001:db8::1 127\.0\.0\.1 \d+ x0\n/);
  });

  it('finds a service on the other family of the loopback', async () => {
    expect(await client('say', '192.0.2.2', '60001', 'x')).toMatch(/ ::1 \d+ x1$/);
  });

  it('leaves room for new clients, however many there are', async () => {
    const words = Array.from({ length: 300 }, (_, n) => `w${n}_`);
    const lines = (await client('say', '192.0.2.2', '60000', ...words)).split('\n');
    expect(lines.filter((line) => line.startsWith('192.0.2.2 ')).length).toBeGreaterThan(100);
    expect(await client('say', '192.0.2.2', '60000', 'late')).toMatch(/ late1$/);
  });
});

describe('what is published', () => {
  it('changes under connections that stay, without a moment in which a port that stays is closed', async () => {
    const before = pidOf(await publish('tcp 192.0.2.1 8080-8081 80-81'));
    const holding = stack.use(host.start(python, [program, 'hold', '192.0.2.1', '8080', '1']));
    await holding.waitForOutput('1\n');
    expect(pidOf(await publish('tcp 192.0.2.1 8080-8080 80-80', 'tcp 0.0.0.0 8081-8081 80-80'))).toBe(before);
    expect(await client('try', '127.0.0.1', '8081')).toBe('pong');
    expect(holding.exited).toBe(false);
    expect(await publish('')).toBe('ok 0');
    expect(await client('try', '192.0.2.1', '8080')).toBe('ConnectionRefusedError');
  });

  it('is refused by name where a port is taken, and the rest is published', async () => {
    const other = await start(host, 'occupy', '192.0.2.1', '9001');
    const said = await publish('tcp 192.0.2.1 9000-9002 80-82');
    expect(said).toContain("failed 112 publish 'tcp 192.0.2.1 port 9001': Address in use");
    expect(await client('try', '192.0.2.1', '9000')).toBe('pong');
    await other[Symbol.asyncDispose]();
    expect(await publish('tcp 192.0.2.1 9000-9002 80-82')).toMatch(/^ok /);
    expect(await publish('tcp 0.0.0.0 1-2000 1-2000')).toMatch(/^failed 111 more ports/);
  });

  it('of a range of UDP is what there is, as long as there is any', async () => {
    await using other = host.start(python, [program, 'echo', '192.0.2.1', '60000']);
    await other.waitForOutput('ready');
    expect(await publish('udp 192.0.2.1 60000-60001 80-81')).toMatch(/^ok /);
    expect(await client('say', '192.0.2.1', '60001', 'x')).toMatch(/ x1$/);
    expect(await publish('udp 192.0.2.1 60000-60000 80-80')).toMatch(/^failed 112 publish 'udp 192/);
  });

  it('of a range of UDP is held inside where it is taken, for no program there to choose it', async () => {
    const bindInside = async (address: string, port: number): Promise<string> =>
      (await inside.ok(python, program, 'bind', address, String(port))).trim();
    const other = await start(host, 'echo', '192.0.2.1', '60000');
    expect(await publish('udp 192.0.2.1 60000-60001 7000-7001')).toMatch(/^ok /);
    await waitUntil(
      async () => (await bindInside('0.0.0.0', 7000)) === 'Address already in use',
      'it to be held',
    );
    for (const address of ['127.0.0.1', '::', '::1'])
      expect(await bindInside(address, 7000)).toBe('Address already in use');
    expect(await bindInside('0.0.0.0', 7001)).toBe('bound');
    // Of one port alone its service may want it all the same.
    expect(await publish('udp 192.0.2.1 60000-60000 7000-7000')).toMatch(/^failed 112 /);
    expect(await bindInside('0.0.0.0', 7000)).toBe('bound');
    expect(await publish('udp 192.0.2.1 60000-60001 7000-7001')).toMatch(/^ok /);
    await waitUntil(
      async () => (await bindInside('0.0.0.0', 7000)) === 'Address already in use',
      'it to be held',
    );
    await other[Symbol.asyncDispose]();
    expect(await publish('udp 192.0.2.1 60000-60001 7000-7001')).toMatch(/^ok /);
    await waitUntil(async () => (await bindInside('0.0.0.0', 7000)) === 'bound', 'it to be let go');
    expect(await publish('')).toBe('ok 0');
  });

  it('is held by a process without rights, in the network of the sandbox alone', async () => {
    const pid = pidOf(await publish('tcp 192.0.2.1 8080-8080 80-80'));
    await client('try', '192.0.2.1', '8080'); // by then it has given them up
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const value = (name: string): string =>
      new RegExp(`^${name}:[\\t ]*(.*?) *$`, 'm').exec(status)?.[1] ?? '';
    for (const name of ['Uid', 'Gid'])
      expect(value(name)).toBe(Array.from({ length: 4 }, () => id).join('\t'));
    expect(value('Groups')).toBe('');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(value(set)).toMatch(/^0+$/);
    expect(value('NoNewPrivs')).toBe('1');
    expect(value('Seccomp')).toBe('2');
    const own = await host.ok('readlink', `/proc/${pid}/ns/net`);
    expect(own).toBe(await host.ok('readlink', `/proc/${inside.pid}/ns/net`));
    process.kill(pid, 'SIGKILL');
    await waitUntil(
      async () => (await client('try', '192.0.2.1', '8080')) === 'ConnectionRefusedError',
      'its end',
    );
    expect(pidOf(await publish('tcp 192.0.2.1 8080-8080 80-80'))).not.toBe(pid);
    expect(await client('try', '192.0.2.1', '8080')).toBe('pong');
  });

  it('ends with the supervisor', async () => {
    const pid = pidOf(await publish('tcp 192.0.2.1 8080-8080 80-80'));
    await client('try', '192.0.2.1', '8080');
    supervisor.process.kill('SIGKILL');
    await waitUntil(
      async () =>
        await readFile(`/proc/${pid}/stat`).then(
          () => false,
          () => true,
        ),
      'the publisher to end',
    );
  });
});
