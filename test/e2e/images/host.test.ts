// The image `host`: many see the same programs, and nobody sees or holds up who runs them. What the administrator
// installs, upgrades and removes is followed.

import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { quote, uniqueName } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const kinds = {
  plain: {},
  root: { root: 'yes' },
  nesting: { nesting: 'yes' },
  both: { root: 'yes', nesting: 'yes' },
};
type Kind = keyof typeof kinds;
const allKinds = Object.keys(kinds) as Kind[];

const name = uniqueName('dockersh-test');
/** An ELF program that waits while its input does. */
const program = `/usr/local/bin/${name}`;
const folder = `/usr/local/lib/${name}`;
const logins = new Map<Kind, Login>();
let other: Login;

beforeAll(async () => {
  await copyFile('/usr/bin/cat', program);
  await chmod(program, 0o755);
  if (control) return;
  const users: Record<string, Record<string, string>> = {};
  for (const kind of allKinds) {
    const login = await world().addLogin('shell');
    logins.set(kind, login);
    users[login.user.name] = kinds[kind];
  }
  other = await world().addLogin('shell');
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '0', linger: '1h' },
    users,
  });
  // Not in the middle of a test: a watch that is set before looks at what was there before.
  const told = () =>
    world()
      .host.logRecords()
      .some(({ msg }) => msg === "the host's programs have changed");
  await waitUntil(told, 'the program to be noticed');
}, 300_000);

afterAll(async () => {
  await rm(program, { force: true });
  await rm(folder, { recursive: true, force: true });
});

function loginOf(kind: Kind): Login {
  const login = logins.get(kind);
  if (login === undefined) throw new Error(`no user for ${kind}`);
  return login;
}

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(`exec 2>&1; ${command}`);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

const perl = (text: string): string => `exec perl -e ${quote(`$| = 1; ${text}`)}`;

/**
 * Watches the program, and says for every line that it is sent whether anything has happened since. The kernel queues
 * what happens before the call that did it returns.
 */
const answer = `print "ready\\n"; while (<STDIN>) { my $n = sysread($in, my $data, 65536); print $n ? "seen $n\\n" : "nothing\\n"; }`;
const watchers = {
  inotify: perl(`my $fd = syscall(294, 0x800); die "inotify $!" if $fd < 0;
    die "watch $!" if syscall(254, $fd, my $path = "${program}", 0xfff) < 0;
    open(my $in, "<&=", $fd) or die; ${answer}`),
  fanotify: perl(`my $fd = syscall(300, 0x202, 0); die "refused: $!" if $fd < 0;
    die "refused: $!" if syscall(301, $fd, 1, 0x1033, -100, my $path = "${program}") < 0;
    open(my $in, "<&=", $fd) or die; ${answer}`),
};

const runProgram = `${program} /dev/null`;

async function askWatcher(watcher: Running): Promise<string> {
  const before = watcher.stdout.length;
  watcher.process.stdin?.write('\n');
  await waitUntil(() => watcher.stdout.subarray(before).includes('\n'), 'the watcher to answer');
  return watcher.stdout.subarray(before).toString();
}

describe.skipIf(control).each(allKinds)('image host, kind %s', (kind) => {
  it.each(['inotify', 'fanotify'] as const)('%s shows nobody else’s executions', async (how) => {
    const login = loginOf(kind);
    await using watcher = login.start(watchers[how]);
    await waitUntil(
      () => watcher.exited || watcher.stdout.includes('ready'),
      'the watcher to begin, or to be refused',
    );
    if (watcher.exited) {
      expect(how).toBe('fanotify');
      expect(watcher.stderr.toString()).toMatch(/^refused: /);
      return;
    }
    await output(login, runProgram);
    expect(await askWatcher(watcher)).toMatch(/^seen/);
    await output(other, runProgram);
    await runOk(program, ['/dev/null']);
    expect(await askWatcher(watcher)).toBe('nothing\n');
    await output(login, runProgram);
    expect(await askWatcher(watcher)).toMatch(/^seen/);
  });

  it('flock blocks nobody else', async () => {
    const login = loginOf(kind);
    await using holder = login.start(`flock ${program} sh -c 'echo held; exec cat'`);
    await holder.waitForOutput('held');
    expect((await login.ssh(`flock -n ${program} true`)).code).toBe(1);
    await output(other, `flock -n ${program} true`);
    await runOk('flock', ['-n', program, 'true']);
  });

  it('a lock by fcntl and a lease hold up nobody’s writing', async () => {
    const login = loginOf(kind);
    // struct flock: type 0 (read), whence 0, start 0, length 0, pid. F_SETLK 6, F_SETLEASE 1024.
    const lock =
      perl(`use Fcntl; open(my $file, "<", "${program}") or die; my $all = pack("ssx4qqi", 0, 0, 0, 0, 0);
      fcntl($file, 6, $all) or die "lock $!"; print "held ", (fcntl($file, 1024, 0) ? "lease" : "$!"), "\\n"; sleep 1000;`);
    await using holder = login.start(lock);
    await holder.waitForOutput(/held .*\n/);
    const write = `open(my $file, "+<", $ARGV[0]) or die "open $!"; my $all = pack("ssx4qqi", 1, 0, 0, 0, 0);
      fcntl($file, 6, $all) or die "lock $!"; print "wrote";`;
    expect(await runOk('perl', ['-e', write, program])).toBe('wrote');
  });

  it('a program that runs keeps root from writing to nothing', async () => {
    await using running = loginOf(kind).start(`echo started; exec ${program}`);
    await running.waitForOutput('started');
    running.process.stdin?.write('runs\n');
    await running.waitForOutput('runs');
    expect(
      await runOk('perl', ['-e', 'open(my $file, "+<", $ARGV[0]) or die "open $!"; print "wrote"', program]),
    ).toBe('wrote');
  });

  it('what is mounted is read-only, for root inside as well', async () => {
    const login = loginOf(kind);
    const as = kind === 'nesting' || kind === 'both' ? 'unshare -Urm ' : '';
    const tries = 'mount -o remount,bind,rw /usr; mount -o remount,rw /usr; touch /usr/x; umount /usr; true';
    const said = await output(login, `touch ${program}; ${as}sh -c ${quote(tries)}`);
    expect(said).toMatch(/touch.*(Read-only|Permission denied)[\s\S]*touch.*(Read-only|Permission denied)/);
    expect(await output(login, 'ls -d /usr/x || echo none')).toMatch(/none/);
    expect(await output(login, "grep ' /usr ' /proc/self/mountinfo")).toMatch(
      /^\S+ \S+ \S+ \/ \/usr ro,nosuid,nodev.* - overlay /,
    );
  });
});

/** As a package manager puts a file in another's place. */
async function install(path: string, text: string): Promise<void> {
  await writeFile(`${path}.dpkg-new`, `#!/bin/sh\n${text}\n`);
  await chmod(`${path}.dpkg-new`, 0o755);
  await rename(`${path}.dpkg-new`, path);
}

/** What a command prints, asked in one session until it is what is waited for. */
async function comesTo(login: Login, command: string, wanted: string): Promise<void> {
  await waitUntil(
    async () => (await login.ssh(command)).stdout.toString() === wanted,
    `${command} to print ${wanted}`,
    20_000,
  );
}

describe.skipIf(control).each(allKinds)('what is installed on the host, kind %s', (kind) => {
  const tool = `/usr/local/bin/${name}-tool-${kind}`;
  const data = `${folder}/${kind}`;
  afterAll(async () => {
    await rm(tool, { force: true });
  });

  it('is there although it was looked for before, changes and goes, and running programs run on', async () => {
    const login = loginOf(kind);
    // A shell that lives as long as this test keeps the names on the way to its own program in use.
    await using shell = login.start('while read line; do eval "$line"; done');
    const ask = async (command: string, answer: RegExp) => {
      shell.process.stdin?.write(`${command}\n`);
      await shell.waitForOutput(answer);
    };
    await ask(`${tool}; ls ${data}/one; echo "missing $?"`, /missing [1-9]/);
    await mkdir(data, { recursive: true });
    await writeFile(`${data}/one`, 'first\n');
    await install(tool, 'echo version 1; [ -z "$1" ] || { read wait; echo still 1; }');
    await comesTo(login, `${tool}; cat ${data}/one`, 'version 1\nfirst\n');
    await ask(tool, /version 1/);

    await using old = login.start(`${tool} wait`);
    await old.waitForOutput('version 1');
    await install(tool, 'echo version 2');
    await rm(data, { recursive: true });
    await mkdir(data);
    await writeFile(`${data}/two`, 'second\n');
    if (kind === 'both') {
      // Here a name that is in use stays what it was.
      old.process.stdin?.write('\n');
      await old.waitForOutput('still 1');
      await old.finished();
    }
    await comesTo(login, `${tool}; cat ${data}/*`, 'version 2\nsecond\n');
    await ask(`${tool}; cat ${data}/two`, /version 2\nsecond/);
    if (kind !== 'both') old.process.stdin?.write('\n');
    await old.waitForOutput('still 1');

    await rm(tool);
    await comesTo(login, `[ -e ${tool} ] || echo gone`, 'gone\n');
    shell.process.stdin?.end();
    expect((await shell.finished()).code).toBe(0);
    // One mount at a time, however often they were replaced.
    expect(await output(login, "grep -c ' /usr ' /proc/self/mountinfo")).toBe('1\n');
  });

  it('is there in a sandbox that starts after it, at once', async () => {
    const login = loginOf(kind);
    expect((await login.ssh(tool)).code).toBe(127);
    await install(tool, 'echo version 3');
    await world().host.ctlOk('stop', login.user.name);
    expect(await output(login, tool)).toBe('version 3\n');
  });
});

describe.skipIf(control)('image host', () => {
  it('changes are followed by a daemon that was not there when they were made', async () => {
    const tool = `/usr/local/bin/${name}-late`;
    const login = loginOf('plain');
    expect((await login.ssh(tool)).code).toBe(127);
    await world().host.killDaemon();
    await install(tool, 'echo late');
    try {
      await world().host.startDaemon();
      await comesTo(login, tool, 'late\n');
    } finally {
      await rm(tool);
    }
  });

  it('a program runs on and others start all the time while the folders are replaced', async () => {
    const login = loginOf('plain');
    const tool = `/usr/local/bin/${name}-busy`;
    await using busy = login.start(
      `echo begin; while [ ! -e ~/stop ]; do ${runProgram} >/dev/null || echo failed; done; echo end`,
    );
    await busy.waitForOutput('begin');
    try {
      for (const version of ['1', '2', '3']) {
        await install(tool, `echo ${version}`);
        await comesTo(login, tool, `${version}\n`);
      }
    } finally {
      await rm(tool, { force: true });
    }
    await output(login, 'touch ~/stop');
    expect((await busy.finished()).stdout.toString()).toBe('begin\nend\n');
    expect((await run('grep', ['-c', name, '/proc/self/mountinfo'])).stdout.toString()).toBe('0\n');
  });
});
