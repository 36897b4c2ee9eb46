// Every way in which a login shell is called on a host.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control, lacks, program } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld();
const login = () => world().login('shell');

describe('the login shell itself', () => {
  it('as -dockersh, on a terminal', async () => {
    await using shell = login().directTerminal();
    await shell.prompt();
    const { output } = await shell.command('echo $0; shopt -q login_shell && echo login; pwd');
    expect(output).toBe(`-bash\nlogin\n${login().user.home}\n`);
    shell.send('exit 12\r');
    expect((await shell.exited()).code).toBe(12);
  });

  it('with -l', async () => {
    const result = await login().direct(['-l'], { input: 'shopt -q login_shell && echo login; exit 5\n' });
    expect(result.stdout.toString()).toBe('login\n');
    expect(result.code).toBe(5);
  });

  it('with -c and further arguments', async () => {
    const result = await login().direct(['-c', 'echo "$0|$1|$2|$#"', 'zero', 'one a', '']);
    expect(result.stdout.toString()).toBe('zero|one a||2\n');
  });

  it('with -l and -c', async () => {
    const result = await login().direct(['-l', '-c', 'shopt -q login_shell && echo login']);
    expect(result.stdout.toString()).toBe('login\n');
  });

  it('without arguments, commands on stdin', async () => {
    const result = await login().direct([], { input: 'echo from stdin\nexit 4\n' });
    expect(result.stdout.toString()).toBe('from stdin\n');
    expect(result.code).toBe(4);
  });

  it('goes on when its input, a socket, was closed by the other side', async () => {
    const result = await login().direct(['-c', 'cat; sleep 0.5; echo done; exit 6'], { input: 'all ' });
    expect(result.stdout.toString()).toBe('all done\n');
    expect(result.code).toBe(6);
  });

  it('dies of the signal that its command died of', async () => {
    expect(await login().direct(['-c', 'kill -TERM $$'])).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(await login().direct(['-c', 'kill -KILL $$'])).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  it.skipIf(control)('without argv[0], is refused', async () => {
    const source = join(world().host.folder, 'argc0.c');
    const helper = join(world().host.folder, 'argc0');
    const code = '#include <unistd.h>\nint main(int c, char **v) { return execve(v[1], 0, 0) ? 99 : c; }\n';
    await writeFile(source, code);
    await runOk(program('cc'), ['-o', helper, '-w', source]);
    const { uid, gid } = login().user;
    const result = await run(helper, [login().host.client], { uid, gid, cwd: '/' });
    expect(result.code).toBe(125);
    expect(result.stdout.length).toBe(0);
  });
});

describe('su', () => {
  it('su - USER gives an interactive login shell', async () => {
    await using shell = new Terminal('su', ['-', login().user.name]);
    await shell.prompt();
    const { output } = await shell.command('echo $0; id -un; pwd; tty');
    expect(output).toMatch(
      new RegExp(`^-bash\n${login().user.name}\n${login().user.home}\n/dev/pts/\\d+\n$`),
    );
    shell.send('exit 3\r');
    expect((await shell.exited()).code).toBe(3);
  });

  it.each([
    ['su USER -c', []],
    ['su - USER -c', ['-']],
  ])('%s', async (_name, options) => {
    const { name } = login().user;
    const result = await run('su', [...options, name, '-c', 'echo "$1"; id -un; exit 3', '--', 'x', 'one']);
    expect(result.stdout.toString()).toBe(`one\n${name}\n`);
    expect(result.code).toBe(3);
  });
});

describe.skipIf(lacks('sudo'))('sudo', () => {
  it('sudo -i -u USER gives an interactive login shell', async () => {
    await using shell = new Terminal('sudo', ['-i', '-u', login().user.name]);
    await shell.prompt();
    const { output } = await shell.command('echo $0; id -un; pwd');
    expect(output).toBe(`-bash\n${login().user.name}\n${login().user.home}\n`);
    shell.send('exit 3\r');
    expect((await shell.exited()).code).toBe(3);
  });

  it('sudo -i -u USER command', async () => {
    const { name } = login().user;
    const words = ['printf', '%s|', 'two words', "it's", '$HOME', '*'];
    const result = await run('sudo', ['-i', '-u', name, ...words]);
    expect(result.stdout.toString()).toBe("two words|it's|$HOME|*|".replace('$HOME', login().user.home));
    expect((await run('sudo', ['-i', '-u', name, 'exit', '9'])).code).toBe(9);
  });
});

describe('ForceCommand', () => {
  it('without a command from the client gives an interactive login shell', async () => {
    await using shell = world().login('force').terminal(undefined, { ssh: [] });
    await shell.prompt();
    expect((await shell.command('echo $0')).output).toBe('-bash\n');
  });

  it('with a command from the client runs that', async () => {
    const result = await world().login('force').ssh('echo "one   two"; exit 3');
    expect(result.stdout.toString()).toBe('one   two\n');
    expect(result.code).toBe(3);
  });
});

/** A console as a getty leaves it: Debian 13's login hangs the terminal up and opens it again, which only ends a PTY
 * for who gives up at the first error. */
const console = `
import os, sys, time
master, slave = os.openpty()
name = os.ttyname(slave)
os.close(slave)
login = os.fork()
if login == 0:
    os.close(master)
    os.setsid()
    for fd in 0, 1, 2:
        os.dup2(os.open(name, os.O_RDWR), fd)
    os.closerange(3, 10)
    os.execvp(sys.argv[1], sys.argv[1:])
typing = os.fork()
while typing == 0:
    os.write(master, os.read(0, 4096))
while os.waitpid(login, os.WNOHANG)[0] == 0:
    try:
        os.write(1, os.read(master, 4096))
    except OSError:
        time.sleep(0.01)
os.kill(typing, 9)
`;

describe.skipIf(lacks('python3'))('a console login', () => {
  it('by login -f gives an interactive login shell', async () => {
    const script = 'stty raw -echo; exec python3 -c "$0" login -f "$1"';
    await using shell = new Terminal('sh', ['-c', script, console, login().user.name]);
    await shell.expect(/\$ $/); // what is typed before is lost where the terminal is hung up
    await shell.prompt();
    const { output } = await shell.command('echo $0; id -un; tty');
    expect(output).toMatch(new RegExp(`^-bash\n${login().user.name}\n/dev/pts/\\d+\n$`));
    shell.send('exit\r');
    await shell.exited();
  });
});
