// Programs that work the terminal themselves: job control, script, tmux.

import { describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: everyMode,
  policy: { defaults: { image: 'host', background: 'keep', linger: '10m' } },
});

describe.each(everyMode)('as %s', (mode) => {
  it('stops, lists, continues and kills jobs', async () => {
    await using shell = world().login(mode).terminal(undefined, { ssh: [] });
    await shell.prompt();
    shell.send('echo RE""ADY; sleep 1000\r');
    await shell.expect(/READY\r*\n/);
    // The shell gives the terminal to the job before it runs, but not before it prints.
    while (!/sleep/.test(await foreground(mode))) await new Promise((done) => setTimeout(done, 50));
    shell.send('\x1a');
    await shell.expect(/Stopped +sleep 1000/);
    await shell.expect(/dsh->$/m);
    expect((await shell.command('jobs')).output).toMatch(/\[1\]\+ +Stopped +sleep 1000/);
    shell.send('bg\r');
    await shell.expect(/dsh->$/m);
    expect((await shell.command('jobs')).output).toMatch(/\[1\]\+ +Running +sleep 1000 &/);
    shell.send('fg\r');
    await shell.expect(/sleep 1000\r*\n/);
    shell.send('\x03');
    await shell.expect(/dsh->$/m);
    expect((await shell.command('jobs')).output).toBe('');
  });

  it('lets script make a terminal of its own', async () => {
    await using shell = world().login(mode).terminal(undefined, { ssh: [] });
    await shell.prompt();
    const outer = (await shell.command('tty')).output.trim();
    const { output, status } = await shell.command(`script -qec 'tty; stty size; exit 5' /dev/null`);
    expect(status).toBe(5);
    const [inner, size] = output.split('\n');
    expect(inner).toMatch(/^\/dev\/pts\/\d+$/);
    expect(inner).not.toBe(outer);
    expect(size).toBe('24 80');
  });

  it.skipIf(lacks('tmux'))('runs tmux: new session, split, detach, attach again', async () => {
    const login = world().login(mode);
    const socket = uniqueName('tmux');
    const tmux = `tmux -u -L ${socket} -f /dev/null`;
    {
      await using terminal = login.terminal(`${tmux} new-session -s work`);
      await terminal.expect(/\[work\]/);
      terminal.send('echo fi""rst-pane\r');
      await terminal.expect(/first-pane/);
      terminal.send('\x02%'); // split left and right
      await terminal.expect(/│/);
      terminal.send('echo sec""ond-pane\r');
      await terminal.expect(/second-pane/);
      terminal.send('\x02d');
      await terminal.expect(/\[detached \(from session work\)\]/);
      expect((await terminal.exited()).code).toBe(0);
    }
    const panes = async () => {
      const result = await login.ssh(`${tmux} list-panes -t work -F '#{pane_tty}'`);
      return result.stdout
        .toString()
        .split('\n')
        .filter((line) => /^\/dev\/pts\/\d+$/.test(line));
    };
    expect(new Set(await panes()).size).toBe(2);
    {
      await using terminal = login.terminal(`${tmux} attach-session -t work`, { columns: 100, rows: 30 });
      await terminal.expect(/second-pane/);
      terminal.send('echo aga""in\r');
      await terminal.expect(/again/);
      terminal.send('exit\r');
      await waitUntil(async () => (await panes()).length === 1, 'the second pane to close');
      terminal.send('exit\r');
      await terminal.expect(/\[exited\]/);
      expect((await terminal.exited()).code).toBe(0);
    }
    expect((await login.ssh(`${tmux} has-session`)).code).toBe(1);
  });
});

/** The command that has the terminal, as a second login of the same user sees it. */
async function foreground(mode: (typeof everyMode)[number]): Promise<string> {
  const result = await world().login(mode).ssh('ps -eo stat=,args= | grep "+ *[s]leep 1000"');
  return result.stdout.toString();
}
