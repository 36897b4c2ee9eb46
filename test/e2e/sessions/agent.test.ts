// The agent of a kept session (ssh -A): that of the connection which has come back to it.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import type { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: ['shell'],
  module: true,
  policy: { defaults: { image: 'host', on_hangup: 'keep', reattach: 'yes' } },
});

async function startAgent(file: string, name: string): Promise<Running> {
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', `${file}-key`]);
  const agent = new Running('ssh-agent', ['-D', '-a', file], { stdio: ['ignore', 'ignore', 'ignore'] });
  const env = { ...process.env, SSH_AUTH_SOCK: file };
  await waitUntil(async () => (await run('ssh-add', ['-q', `${file}-key`], { env })).code === 0, 'the agent');
  return agent;
}

async function keysOf(terminal: Terminal, name: string): Promise<void> {
  await waitUntil(async () => (await terminal.command('ssh-add -l')).output.includes(name), name);
}

describe.skipIf(control)('the agent of a kept session', () => {
  it.each(['@attach', undefined])('is that of the newest connection, by %s', async (command) => {
    const login = await world().addLogin('shell', {});
    const file = (name: string): string => join(world().host.folder, `${login.user.name}-${name}`);
    await using _one = await startAgent(file('one'), 'key-one');
    await using _two = await startAgent(file('two'), 'key-two');
    const forward = (name: string): string[] => ['-t', '-A', '-o', `IdentityAgent=${file(name)}`];
    await using first = login.terminal(undefined, { ssh: forward('one').slice(1) });
    await first.prompt();
    await keysOf(first, 'key-one');
    const address = await first.command('echo $SSH_AUTH_SOCK');
    first.pty.kill('SIGKILL');
    await waitUntil(
      async () => /"leftAt": *"/.test((await login.ssh('@sessions --json')).stdout.toString()),
      'the session to be left',
    );
    const again = forward('two').slice(command === undefined ? 1 : 0);
    await using second = login.terminal(command, { ssh: again });
    await second.expect(/key-one[\s\S]*dsh->/);
    await keysOf(second, 'key-two');
    expect((await second.command('echo $SSH_AUTH_SOCK')).output).toBe(address.output);
  });
});
