// Watching and joining sessions: root sees and types, the user is told, and nothing of theirs acts on root's terminal.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { run } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const defaults = { image: 'host', linger: '10m', record: 'yes' };

const world = useWorld({ modes: ['shell'], policy: { defaults: { ...defaults, watch: 'told' } } });

interface Host {
  readonly runFolder: string;
}

const line = ({ runFolder }: Host, ...args: string[]): string[] => [
  ctlBundle,
  '--socket',
  join(runFolder, 'admin.sock'),
  ...args,
];

/** Root at a terminal. */
const looking = (host: Host, ...args: string[]): Terminal => new Terminal(nodeProgram, line(host, ...args));

const endKey = '\x1d';

describe.skipIf(control)('a session that root looks at', () => {
  it('is shown, and its user is told; what acts on a terminal is left out', async () => {
    const login = world().login('shell');
    const { host, user } = login;
    await using shell = login.terminal();
    await shell.prompt();
    await using watcher = looking(host, 'watch', user.name);
    await shell.expect(/The administrator of this host is looking at this session\./);
    await watcher.expect(/dsh->/);
    await shell.command(`printf '\\033]52;c;QQ==\\007\\033[6n%s\\n' 'sh''own'`);
    await watcher.expect(/shown\r*\n/);
    watcher.send('echo typed-by-root\r');
    await shell.command('sleep 1');
    expect(shell.text).not.toContain('typed-by-root');
    expect(watcher.text).not.toContain('\x1b]52');
    expect(watcher.text).not.toContain('\x1b[6n');
    watcher.send(endKey);
    expect((await watcher.exited()).code).toBe(0);
    await shell.expect(/The administrator of this host has left this session\./);
    expect((await shell.command('echo goes on')).output).toBe('goes on\n');
    const audit = await readFile(join(host.auditFolder, 'audit.jsonl'), 'utf8');
    expect(audit).toMatch(/"event":"session-attached"[^\n]*"looks":"watch"/);
  });

  it('is typed into by who joins it', async () => {
    const login = world().login('shell');
    await using shell = login.terminal();
    await shell.prompt();
    await using other = looking(login.host, 'join', login.user.name);
    await shell.expect(/has joined this session, and can type\./);
    other.send("echo by-'ro''ot'\r");
    await shell.expect(/by-root\r*\n/);
    other.send(endKey);
    await other.exited();
  });

  it('is not, without a terminal, for others, for one that is not there, or where the policy says no', async () => {
    const login = world().login('shell');
    const { host, user } = login;
    await using shell = login.terminal();
    await shell.prompt();
    const plain = await run(nodeProgram, line(host, 'watch', user.name));
    expect([plain.code, plain.stderr.toString()]).toEqual([64, expect.stringContaining('no terminal')]);
    await using none = looking(host, 'watch', user.name, '99');
    await none.expect(/no session 99 at a terminal that can be watched/);
    expect((await none.exited()).code).toBe(125);
    await host.setPolicy({ defaults });
    await using refused = looking(host, 'watch', user.name);
    await refused.expect(/"watch = no"/);
    await host.setPolicy({ defaults: { ...defaults, watch: 'told' } });
    const socket = join(host.runFolder, 'exec.sock');
    const client = join(host.client, '../dockersh-exec');
    const stranger = await run(client, ['--socket', socket, '--watch', user.name], {
      uid: user.uid,
      gid: user.gid,
    });
    expect(stranger.code).not.toBe(0);
    expect(stranger.stdout.toString()).toBe('');
  });
});
