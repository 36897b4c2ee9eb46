// Attacks from within what reads strangers' bytes, as if taken over by them: the DNS relay, what holds published ports, and the
// keeper and the screen of a terminal (native/test/network/rights.c). By root the same tries succeed.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildFolder } from '../../fixtures/paths.ts';
import { run } from '../../fixtures/process.ts';

let folder: string;
let victim: ChildProcess;
let port = 0;
const servers: Server[] = [];

async function listen(place: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.end()).unref();
  await new Promise<void>((resolve) => server.listen(place, resolve));
  servers.push(server);
  return server;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-'));
  await chmod(folder, 0o777);
  victim = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const address = (await listen({ port: 0, host: '127.0.0.1' })).address();
  port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await listen({ path: join(folder, 'socket') });
  await chmod(join(folder, 'socket'), 0o777);
});

beforeEach(async () => {
  for (const name of ['open', 'closed', 'removed']) await writeFile(join(folder, name), 'secret');
  await chmod(join(folder, 'open'), 0o666);
  await chmod(join(folder, 'closed'), 0o600);
  await rm(join(folder, 'made'), { force: true });
});

afterAll(async () => {
  for (const server of servers) server.close();
  victim.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** What was tried and came to something, and all that was tried. In mount and network namespaces of its own. */
async function tries(by: string): Promise<{ done: string[]; all: string[] }> {
  const args = [by, folder, String(port), String(victim.pid)];
  const program = join(buildFolder, 'obj/test-network/rights');
  const { code, stdout, stderr } = await run('unshare', ['--mount', program, ...args]);
  expect(code, stderr.toString()).toBe(0);
  const lines = stdout.toString().trimEnd().split('\n');
  const done = lines.filter((line) => line.endsWith(': DONE')).map((line) => line.slice(0, -6));
  return { done, all: lines.map((line) => line.replace(/: [^:]*$/, '')) };
}

it('root gets out by every try', async () => {
  const { done, all } = await tries('none');
  expect(done).toEqual(all);
  expect(all.length).toBeGreaterThan(20);
});

it('the DNS relay gets out by none', async () => {
  expect((await tries('relay')).done).toEqual([]);
});

it.each(['keeper', 'screen'])('a terminal’s %s gets out by none', async (who) => {
  expect((await tries(who)).done).toEqual([]);
});

it('what holds published ports connects, and gets out by nothing else', async () => {
  // In the sandbox's network, which it is in, that is what it is for.
  expect((await tries('publisher')).done).toEqual(['connect to a port']);
});
