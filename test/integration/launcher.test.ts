// The launcher, with this test in the daemon's place: whoever closes a client's connection last waits for as long as the
// client likes, and must never be the daemon.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { addon, loadAddon } from '../../src/isolation/addon.ts';
import { OwnedFd } from '../../src/lib/fd.ts';
import { WireWriter } from '../../src/lib/wire.ts';
import { buildFolder } from '../fixtures/paths.ts';
import { waitUntil } from '../fixtures/process.ts';
import { childrenOf } from '../fixtures/supervisor.ts';

const pair = (): [OwnedFd, OwnedFd] => {
  const [one, other] = addon().socketPair();
  return [new OwnedFd(one), new OwnedFd(other)];
};

/** Its children that have nothing to do but to end with what they hold. */
const closersOf = (pid: number): number[] =>
  childrenOf(pid).filter((child) => readFileSync(`/proc/${child}/comm`, 'utf8') === 'dockersh-close\n');

it('its children keep a connection until the daemon has closed its own copy', async () => {
  loadAddon(join(buildFolder, 'addon.node'));
  await using parts = new AsyncDisposableStack();
  const [daemon, end] = pair();
  parts.use(daemon);
  const program = join(buildFolder, 'dockersh-supervisor');
  const launcher = spawn(program, [join(buildFolder, 'dockersh-init')], {
    stdio: ['ignore', 'ignore', 'inherit', end.borrow()],
  });
  parts.defer(() => void launcher.kill('SIGKILL'));
  end[Symbol.dispose]();
  const pid = launcher.pid ?? 0;
  const [client, connection] = pair();
  parts.use(client);
  const [file] = pair();
  // A descriptor lies in the connection's queue.
  expect(addon().send(client.borrow(), Buffer.from('x'), [file.borrow()])).toBe(true);
  const discard = new WireWriter('discard').u32('uid', 54_321).finish(1);
  expect(addon().send(daemon.borrow(), discard, [connection.borrow()])).toBe(true);
  await waitUntil(() => closersOf(pid).length === 1, 'a process that closes it', 10_000);
  await sleep(300); // that it does not
  expect(closersOf(pid)).toHaveLength(1);
  connection[Symbol.dispose]();
  expect(addon().send(daemon.borrow(), new WireWriter('letGo').finish(), [])).toBe(true);
  await waitUntil(() => closersOf(pid).length === 0, 'it to be closed', 5_000);
  file[Symbol.dispose]();
});
