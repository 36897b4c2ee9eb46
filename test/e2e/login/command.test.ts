// `ssh host command`: the command's text, its exit status, its environment.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

// Each of these prints its own text, as the shell got it.
const itself = `printf %s "$BASH_EXECUTION_STRING"`;
const texts: Record<string, string> = {
  quotes: `${itself} # it's "here" \\ and 'there' \`not run\` $(not run)`,
  'globs and expansions': `${itself} # * ? [a-z] {a,b} ~ $HOME \${x:-y} !! & | ; < > ( )`,
  'newlines and tabs': `\n\n${itself}\n#\ttab\r\n: end\n`,
  'blanks at both ends': `   ${itself}   `,
  'several languages': `${itself} # grüße 日本語 🙂`,
  'a command that looks like the shell itself': `${itself} # dockersh -c "x" /usr/lib/openssh/sftp-server`,
  '100 KB': `${itself} # ${'long '.repeat(20_000)}`,
};

describe.each(everyMode)('as %s', (mode) => {
  it.each(Object.entries(texts))('passes on verbatim: %s', async (_name, text) => {
    const result = await world().login(mode).ssh(text);
    expect(result.stdout.toString()).toBe(text);
    expect(result).toMatchObject({ code: 0, signal: null });
  });

  it('passes on verbatim: bytes that are no UTF-8', async () => {
    const bytes = Buffer.from(`${itself} # \xff\xfe\x80 \xc3( \x01\x1b`, 'latin1');
    const file = join(world().host.folder, `bytes-${mode}`);
    await writeFile(file, bytes);
    const result = await world().login(mode).script('$SSH "$HOST" "$(cat "$1")"', [file]);
    expect(result.stdout).toEqual(bytes);
  });

  it('passes on verbatim: an empty command from a client that sends one', async () => {
    await using connection = await world().login(mode).ssh2();
    const command = await connection.start('true;');
    expect(await command.finished()).toMatchObject({ code: 0 });
  });

  it.each([0, 1, 2, 63, 124, 125, 126, 127, 128, 137, 255])('exits with %i', async (status) => {
    expect((await world().login(mode).ssh(`exit ${status}`)).code).toBe(status);
  });

  it('exits with 127 for an unknown command, and with 126 for one that cannot run', async () => {
    const login = world().login(mode);
    const unknown = await login.ssh('no-such-command-here');
    expect(unknown.code).toBe(127);
    expect(unknown.stderr.toString()).toMatch(/no-such-command-here.*not found/);
    expect((await login.ssh('/etc/passwd')).code).toBe(126);
  });

  it.each(['TERM', 'KILL', 'INT', 'HUP', 'PIPE', 'USR1', 'ABRT'])(
    'reports death by SIG%s',
    async (signal) => {
      const login = world().login(mode);
      const kill = `ulimit -c 0; kill -${signal} $$; sleep 60`;
      await using connection = await login.ssh2();
      const command = await connection.start(kill);
      expect(await command.finished()).toMatchObject({ code: null, signal });
      expect((await login.ssh(kill)).code).toBe(255);
    },
  );

  it('reports the death of a child as the shell does', async () => {
    const result = await world().login(mode).ssh('ulimit -c 0; (kill -SEGV $BASHPID); exit $?');
    expect(result.code).toBe(139);
  });

  it('keeps stderr apart from stdout, also without any newline', async () => {
    const result = await world().login(mode).ssh('printf out; printf err >&2; printf out; printf err >&2');
    expect(result.stdout.toString()).toBe('outout');
    expect(result.stderr.toString()).toBe('errerr');
  });

  it('runs commands in the home folder, as the user', async () => {
    const login = world().login(mode);
    const result = await login.ssh('pwd; echo "$HOME $USER $LOGNAME"; id -un; id -u; id -g');
    const { name, uid, gid, home } = login.user;
    expect(result.stdout.toString()).toBe(`${home}\n${home} ${name} ${name}\n${name}\n${uid}\n${gid}\n`);
  });

  it('passes on language and time zone', async () => {
    const result = await world()
      .login(mode)
      .ssh('echo "$LANG $LC_TIME $TZ $COLORTERM $SSH_CONNECTION" | cut -d" " -f1-5', {
        options: ['-o', 'SetEnv=LANG=C LC_TIME=POSIX TZ=Asia/Tokyo COLORTERM=truecolor'],
      });
    expect(result.stdout.toString()).toBe('C POSIX Asia/Tokyo truecolor 127.0.0.1\n');
  });

  it.skipIf(control)('does not pass on what could steer programs', async () => {
    const result = await world()
      .login(mode)
      .ssh('env', { options: ['-o', 'SetEnv=LD_PRELOAD=/nowhere.so BASH_ENV=/nowhere NODE_OPTIONS=--x'] });
    const names = result.stdout
      .toString()
      .split('\n')
      .map((line) => line.split('=')[0] ?? '');
    for (const name of names) expect(name).not.toMatch(/^(LD_|BASH_ENV|NODE_OPTIONS|DOCKERSH)/);
    expect(result.code).toBe(0);
  });

  it('runs a shell without a terminal on commands from stdin', async () => {
    const result = await world()
      .login(mode)
      .ssh(undefined, {
        options: ['-T'],
        input: `echo ${quote('from stdin')}; tty; exit 6\necho not reached\n`,
      });
    expect(result.stdout.toString()).toBe('from stdin\nnot a tty\n');
    expect(result.code).toBe(6);
  });

  it('gives a command a terminal with ssh -t, and its output to a local file', async () => {
    const login = world().login(mode);
    const file = join(login.host.folder, `redirected-${mode}`);
    await using terminal = login.terminal('tty; stty size', { ssh: ['-t'], columns: 99, rows: 31 });
    expect((await terminal.exited()).code).toBe(0);
    expect(terminal.text).toMatch(/^\/dev\/pts\/\d+\r\n31 99\r\n/);
    const result = await login.script('$SSH -tt "$HOST" "tty; exit 3" >"$1"; s=$?; cat "$1"; exit $s', [
      file,
    ]);
    expect(result.stdout.toString()).toMatch(/^\/dev\/pts\/\d+\r\n$/);
    expect(result.code).toBe(3);
  });
});
