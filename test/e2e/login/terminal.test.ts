// An interactive shell on a terminal, as three different clients see it.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import type { Screen } from '../../fixtures/terminal.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

interface Size {
  columns: number;
  rows: number;
}

const drivers: Record<string, (login: Login, size: Size) => Promise<Screen> | Screen> = {
  "OpenSSH's client": (login, size) => login.terminal(undefined, { ...size, ssh: [] }),
  "ssh2's client": (login, size) => login.ssh2Screen(size),
  'the login shell itself': (login, size) => login.directTerminal([], size),
};

describe.each(everyMode)('as %s', (mode) => {
  describe.each(Object.entries(drivers))('through %s', (_name, open) => {
    const openShell = async (size: Size = { columns: 80, rows: 24 }) => {
      const screen = await open(world().login(mode), size);
      await screen.prompt();
      return screen;
    };

    it('shows a prompt before anything is typed, and ends with the status of exit', async () => {
      await using screen = await open(world().login(mode), { columns: 80, rows: 24 });
      await screen.expect(/[$#>%] ?$/);
      screen.send('exit 7\r');
      expect(await screen.exited()).toMatchObject({ code: 7, signal: null });
    });

    it('is a login shell on a terminal that exists', async () => {
      await using shell = await openShell();
      const { output } = await shell.command('tty; test -c "$(tty)" && echo exists; echo $0; echo $-');
      const [tty, exists, name, flags] = output.split('\n');
      expect(tty).toMatch(/^\/dev\/pts\/\d+$/);
      expect(exists).toBe('exists');
      expect(name).toBe('-bash');
      expect(flags).toContain('i');
      const login = await shell.command('shopt -q login_shell');
      expect(login.status).toBe(0);
    });

    it('has a controlling terminal and its own session', async () => {
      await using shell = await openShell();
      const { output } = await shell.command('echo to-the-tty > /dev/tty; ps -o sid= -p $$; echo $$');
      const [text, sid, pid] = output.split('\n').map((line) => line.trim());
      expect(text).toBe('to-the-tty');
      expect(sid).toBe(pid);
    });

    it('knows the window size from the start, and every change of it', async () => {
      await using shell = await openShell({ columns: 91, rows: 33 });
      expect((await shell.command('stty size')).output).toBe('33 91\n');
      shell.send(
        `bash -c 'trap "echo SI\\"\\"ZE \\$(stty size)." WINCH; echo RE""ADY; while sleep 0.1; do :; done'\r`,
      );
      await shell.expect(/READY/);
      shell.resize(120, 45);
      await shell.expect(/SIZE 45 120\./);
      shell.resize(60, 20);
      await shell.expect(/SIZE 20 60\./);
      shell.send('\x03');
      await shell.expect(/dsh->$/m);
      expect((await shell.command('stty size')).output).toBe('20 60\n');
    });

    it('interrupts the running program by Ctrl-C and goes on', async () => {
      await using shell = await openShell();
      shell.send('echo RE""ADY; sleep 1000\r');
      await shell.expect(/READY/);
      shell.send('\x03');
      await shell.expect(/dsh->$/m);
      shell.send('echo status:$?.\r');
      await shell.expect(/status:130\./);
    });

    it('ends by Ctrl-D, with the status of the last command', async () => {
      await using shell = await openShell();
      await shell.command('(exit 0)');
      shell.send('(exit 9)\r');
      await shell.expect(/dsh->$/m);
      shell.send('\x04');
      expect(await shell.exited()).toMatchObject({ code: 9, signal: null });
    });

    it('gives raw keys to a program that asks for them', async () => {
      await using shell = await openShell();
      shell.send('stty raw -echo; echo RE""ADY; dd bs=1 count=6 2>/dev/null | od -An -tx1; stty sane\r');
      await shell.expect(/READY/);
      // Ctrl-C, Ctrl-D, Ctrl-Z, carriage return, escape, delete: nothing may be interpreted.
      shell.send('\x03\x04\x1a\r\x1b\x7f');
      await shell.expect(/03 04 1a 0d 1b 7f/);
      await shell.expect(/dsh->$/m);
      expect((await shell.command('echo $((6*7))')).output).toBe('42\n');
    });
  });
});
