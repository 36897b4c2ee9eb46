// Agents that real connections bring (ssh -A): the newest that is there answers, for programs that outlive theirs as well.

import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { control, lacks } from '../../fixtures/machine.ts';
import { type Finished, Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: everyMode,
  module: true,
  policy: { defaults: { image: 'host', linger: '1h' } },
});
const agents = ['one', 'two'] as const;
type Agent = (typeof agents)[number];

describe.skipIf(control || lacks('tmux')).each(everyMode)('agents of connections, by %s', (mode) => {
  const running: Running[] = [];
  const file = (name: string): string => join(world().host.folder, `agent-${mode}-${name}`);
  const forward = (agent: Agent): string[] => ['-A', '-o', `IdentityAgent=${file(agent)}`];
  const ssh = async (command: string, options: readonly string[] = []): Promise<Finished> =>
    await world().login(mode).ssh(command, { options });
  const inside = async (command: string, agent?: Agent): Promise<string> => {
    const result = await ssh(command, agent === undefined ? [] : forward(agent));
    return `${result.stdout.toString()}${result.stderr.toString()}`;
  };
  /** A connection that stays, with its agent. */
  const connect = async (agent: Agent): Promise<Running> => {
    const connection = world().login(mode).start('echo ready; cat', forward(agent));
    await connection.waitForOutput('ready');
    return connection;
  };
  const end = async (connection: Running): Promise<void> => {
    connection.kill('SIGTERM');
    await connection.finished();
  };
  const inTmux = async (): Promise<string> => {
    await inside(`rm -f ~/out ~/done; tmux send-keys -t kept 'ssh-add -l >~/out 2>&1; touch ~/done' Enter`);
    await waitUntil(
      async () => (await inside('cat ~/done && echo done')).includes('done\n'),
      'tmux to have run it',
    );
    return await inside('cat ~/out');
  };
  const finds = async (what: string): Promise<void> =>
    await waitUntil(
      async () => (await inTmux()).includes(what),
      `"${what}" in tmux`,
      20_000,
      () => world().report(),
    );

  beforeAll(async () => {
    for (const agent of agents) {
      await runOk('ssh-keygen', [
        '-q',
        '-t',
        'ed25519',
        '-N',
        '',
        '-C',
        `key-${agent}`,
        '-f',
        file(`${agent}-key`),
      ]);
      const started = new Running('ssh-agent', ['-D', '-a', file(agent)], {
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      running.push(started);
      const env = { ...process.env, SSH_AUTH_SOCK: file(agent) };
      await waitUntil(
        async () => (await run('ssh-add', ['-q', file(`${agent}-key`)], { env })).code === 0,
        'the agent',
      );
    }
    return async () => {
      for (const one of running) await end(one);
    };
  });

  it('answer by one address, the newest first, and an older one when that ends', async () => {
    const { uid } = world().login(mode).user;
    const first = await connect('one');
    expect(await inside('echo $SSH_AUTH_SOCK; tmux new-session -d -s kept; ssh-add -l', 'one')).toMatch(
      new RegExp(`^/run/user/${uid}/dockersh-agent\n.* key-one `),
    );
    await finds('key-one');
    const second = await connect('two');
    await finds('key-two');
    await end(second);
    await finds('key-one');
    await end(first);
    expect(await inTmux()).toMatch(/agent refused operation/);
    const again = await connect('two'); // as after a reconnect
    await finds('key-two');
    await end(again);
  });

  it.skipIf(lacks('git'))('let git in by ssh', async () => {
    const serve = `set -e; mkdir -p ~/g; cd ~/g; rm -rf repo copy; git init -q --bare repo; [ -f host_key ] || ssh-keygen -q -t ed25519 -N '' -f host_key
      ssh-add -L >keys
      printf '%s\\n' "HostKey $PWD/host_key" "AuthorizedKeysFile $PWD/keys" 'UsePAM no' 'StrictModes no' 'PidFile none' >config
      export GIT_SSH_COMMAND="ssh -F none -o ProxyCommand='/usr/sbin/sshd -i -f $PWD/config' -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
      git clone -q "ssh://$USER@here$PWD/repo" copy 2>/dev/null; echo cloned`;
    expect(await inside(serve, 'one')).toBe('cloned\n');
    expect(await inside(serve.replace('ssh-add -L >keys', ': >keys'), 'one')).not.toContain('cloned');
  });
});
