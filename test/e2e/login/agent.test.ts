// One address of an ssh agent for all that a user has inside, which follows the newest agent that lives. The agents are
// real ones that run inside; the policy names them to sessions in the place of those that sshd makes.

import { describe, expect, it } from 'vitest';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

describe.skipIf(control || lacks('tmux'))('an agent', () => {
  const inside = async (command: string): Promise<string> => {
    const result = await world().login('shell').ssh(command);
    return `${result.stdout.toString()}${result.stderr.toString()}`;
  };
  /** The agent that a connection of now has; ''; none. */
  const give = async (agent: string): Promise<void> => {
    const variables = agent === '' ? {} : { 'env.SSH_AUTH_SOCK': `/tmp/agent-${agent}` };
    await world().host.setPolicy({
      defaults: { image: 'host', linger: '1h', stop_grace: '1s', ...variables },
    });
  };
  /** Runs an agent with a key of its own name. */
  const start = async (agent: string): Promise<void> => {
    const said = await inside(
      `ssh-agent -a /tmp/agent-${agent} >/dev/null && ssh-keygen -q -t ed25519 -N '' -C key-${agent} -f ~/${agent} && SSH_AUTH_SOCK=/tmp/agent-${agent} ssh-add -q ~/${agent} && echo started`,
    );
    expect(said).toBe('started\n');
  };
  const stop = async (agent: string): Promise<void> => {
    await inside(`pkill -xf 'ssh-agent -a /tmp/agent-${agent}'`);
    await waitUntil(
      async () => (await inside(`SSH_AUTH_SOCK=/tmp/agent-${agent} ssh-add -l`)).includes('connect'),
      'the agent to end',
    );
  };
  const listed = 'ssh-add -l | cut -d" " -f3';
  /** As a program sees it that was started by the first connection and has gone on since. */
  const inTmux = async (command: string): Promise<string> => {
    await inside(`rm -f ~/out ~/done; tmux send-keys -t kept '${command} >~/out 2>&1; touch ~/done' Enter`);
    await waitUntil(
      async () => (await inside('cat ~/done && echo done')).includes('done\n'),
      'tmux to have run it',
    );
    return await inside('cat ~/out');
  };

  it('is left to itself where there is none', async () => {
    await give('');
    expect(await inside('echo "[$SSH_AUTH_SOCK]"; ls -A $XDG_RUNTIME_DIR')).toBe('[]\n');
    for (const agent of ['a', 'b', 'c']) await start(agent);
  });

  it('has one address for all connections, where the newest answers, and signs', async () => {
    const { uid } = world().login('shell').user;
    await give('a');
    expect(await inside(`echo $SSH_AUTH_SOCK; ${listed}`)).toBe(`/run/user/${uid}/dockersh-agent\nkey-a\n`);
    expect(await inside('ssh-add -T ~/a.pub && echo signed')).toBe('signed\n');
    expect(await inside('stat -c %a $SSH_AUTH_SOCK ${SSH_AUTH_SOCK}s; pgrep -c -x dockersh-agent')).toBe(
      '700\n700\n1\n',
    );
    expect(await inside('tmux new-session -d -s kept && echo kept')).toBe('kept\n');
    await give('b');
    expect(await inside(`echo $SSH_AUTH_SOCK; ${listed}`)).toBe(`/run/user/${uid}/dockersh-agent\nkey-b\n`);
    expect(await inTmux('ssh-add -l')).toContain('key-b');
    expect(await inside('pgrep -c -x dockersh-agent')).toBe('1\n');
  });

  it('falls back to an older one when the newest ends, and finds the next', async () => {
    await stop('b');
    expect(await inTmux('ssh-add -l')).toContain('key-a');
    expect(await inTmux('ssh-add -T ~/a.pub && echo signed')).toBe('signed\n');
    await give('c');
    expect(await inside(listed)).toBe('key-c\n');
    expect(await inTmux('ssh-add -l')).toContain('key-c');
  });

  it('answers many at once', async () => {
    const result = await world()
      .login('shell')
      .ssh('for n in $(seq 20); do ssh-add -T ~/c.pub & done; wait; ssh-add -l');
    expect(result.code, describeFinished(result)).toBe(0);
    expect(result.stderr.toString()).toBe('');
    await waitUntil(async () => (await inside('pgrep -c -x dockersh-agent')) === '1\n', 'all to have ended');
  });

  it('falls back to an older one when the newest hangs, and comes back to it', async () => {
    await inside("pkill -STOP -xf 'ssh-agent -a /tmp/agent-c'");
    try {
      expect(await inside(listed)).toBe('key-a\n');
      expect(await inTmux('ssh-add -T ~/a.pub && echo signed')).toBe('signed\n');
    } finally {
      await inside("pkill -CONT -xf 'ssh-agent -a /tmp/agent-c'");
    }
    expect(await inside(listed)).toBe('key-c\n');
  });

  it('is answered for again by the next session where the user has ended who did', async () => {
    await inside('pkill -KILL -x dockersh-agent');
    expect(await inside(listed)).toBe('key-c\n');
    expect(await inTmux('ssh-add -l')).toContain('key-c');
  });

  it('is none when all have ended', async () => {
    await stop('a');
    await stop('c');
    expect(await inTmux('ssh-add -l')).toMatch(/agent refused operation/);
  });

  it('is no reason to fail, whatever the user has put there', async () => {
    for (const obstacle of [
      'mkdir -p $D/dockersh-agent/x',
      'rm -rf $D/dockersh-agents; mkfifo $D/dockersh-agents',
      'rm -rf $D/dockersh-agents; ln -s / $D/dockersh-agents',
    ]) {
      await inside(
        `pkill -KILL -x dockersh-agent; D=$XDG_RUNTIME_DIR; rm -rf $D/dockersh-agent $D/dockersh-agents; ${obstacle}`,
      );
      expect(await inside('echo $SSH_AUTH_SOCK')).toBe('/tmp/agent-c\n');
    }
  });
});
