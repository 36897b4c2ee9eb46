// Tries what programs inside may ask of the kernel: everyday ones go on working, what is not named is as if the kernel
// did not have it, and a policy's own profile takes away what it says.

import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { machineHere, machines, numberOf } from '../../../src/seccomp/calls.ts';
import { neededCalls } from '../../../src/seccomp/needed.ts';
import { callsProbe, probedCalls } from '../../fixtures/kernel/calls-probe.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { checkout, nodeProgram } from '../../fixtures/paths.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { supervisorOf } from '../../fixtures/supervisor.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const [kind] = machines[machineHere()];
const number = (name: string): number => numberOf(name, kind) ?? -1;

/** Programs that images lack, and profiles: shown inside at /tools. */
let tools = '';
beforeAll(async () => {
  if (control) return;
  tools = await mkdtemp('/srv/dockersh-test-');
  await chmod(tools, 0o755);
  await copyFile(nodeProgram, join(tools, 'node'));
  if (process.arch !== 'x64') return;
  const source = join(checkout, 'test/fixtures/kernel/thirty-two.c');
  const flags = [
    '-m32',
    '-static',
    '-nostdlib',
    '-ffreestanding',
    '-fno-stack-protector',
    '-fno-pie',
    '-no-pie',
  ];
  await runOk('gcc', [...flags, '-o', join(tools, 'thirty-two'), source]);
});
afterAll(async () => {
  if (tools !== '') await rm(tools, { recursive: true, force: true });
});

async function userWith(settings: PolicySection = {}): Promise<Login> {
  const login = await world().addLogin('shell');
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '0', linger: '1h', mounts: `${tools}:/tools` },
    users: { [login.user.name]: settings },
  });
  return login;
}

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command, { timeoutMs: 60_000 });
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

async function profile(name: string, content: object | string): Promise<string> {
  const file = join(tools, name);
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o644 });
  return file;
}

/** System calls with zeroes, and what they come to: "NAME ERRNO". */
const calls = (...names: readonly string[]): string =>
  `perl -e ${quote(names.map((name) => `$! = 0; syscall(${number(name)}, 0, 0, 0, 0, 0, 0); printf "${name} %d\\n", $!;`).join(' '))}`;

describe.skipIf(control)('by default', () => {
  let login: Login;
  beforeAll(async () => {
    login = await userWith();
  });

  it('every call that everyday programs make is answered as it is outside', async () => {
    const probe = callsProbe(kind);
    const { uid, gid } = login.user;
    const outside = await run('perl', ['-e', probe], { uid, gid });
    const answers = (text: string): Map<string, string> =>
      new Map(
        text
          .trim()
          .split('\n')
          .map((line) => line.split(' ') as [string, string]),
      );
    const [inside, plain] = [
      answers(await output(login, `perl -e ${quote(probe)}`)),
      answers(outside.stdout.toString()),
    ];
    expect([...plain.keys()]).toEqual(probedCalls(kind));
    expect([...inside.keys()]).toEqual(probedCalls(kind));
    const refused = [...inside].filter(
      ([name, answer]) => ['EPERM', 'ENOSYS'].includes(answer) && plain.get(name) !== answer,
    );
    expect(refused).toEqual([]);
  });

  it('what it does not name is as if the kernel did not have it', async () => {
    const unnamed = [...[467, 468, 469, 470, 500, 1000], ...[0x40000000 + 39, 0x40000000 + 520]];
    const script = unnamed.map((one) => `$! = 0; syscall(${one}, 0, 0, 0, 0, 0, 0); print 0 + $!, "\\n";`);
    expect(await output(login, `perl -e ${quote(script.join(' '))}`)).toBe('38\n'.repeat(unnamed.length));
  });

  it('debuggers and tracers work', async () => {
    const gdb = `gdb -q -batch -nx -ex 'break main' -ex run -ex 'info registers' -ex kill --args /tools/node --version 2>&1`;
    expect(await output(login, gdb)).toMatch(/Breakpoint 1, [\s\S]*^(rip|pc) /m);
    expect(await output(login, 'strace -f -o t -e trace=execve sh -c true; cat t')).toMatch(/exited with 0/);
    expect(await output(login, 'setarch -R sh -c "grep -c . /proc/self/maps" >/dev/null && echo fine')).toBe(
      'fine\n',
    );
  });

  it('interpreters with threads, processes and sockets work', async () => {
    const python = `
import multiprocessing, socket, threading, mmap, select, subprocess, tempfile, asyncio
with multiprocessing.Pool(2) as pool: print(sum(pool.map(abs, range(-4, 0))))
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); s.accept()[0].send(b"x"); print(c.recv(1))
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
print(asyncio.run(asyncio.sleep(0, "loop")), subprocess.run(["true"]).returncode)`;
    expect(await output(login, `python3 -c ${quote(python)}`)).toBe("10\nb'x'\nthread\nloop 0\n");
    const script = `const http = require("node:http"); const { Worker } = require("node:worker_threads");
      const server = http.createServer((request, answer) => answer.end("served")).listen(0, "127.0.0.1", async () => {
        console.log(await (await fetch("http://127.0.0.1:" + server.address().port)).text()); server.close();
        new Worker("console.log('worker')", { eval: true }); });`;
    expect(await output(login, `/tools/node -e ${quote(script)}`)).toBe('served\nworker\n');
  });

  it('programs may listen for the calls of others themselves, where sysinfo(2) is the host’s', async () => {
    // SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER, and one instruction: return SECCOMP_RET_ALLOW.
    const script = `my $code = pack("SCCL", 6, 0, 0, 0x7fff0000); my $program = pack("Sx6P", 1, $code);
      print syscall(${number('seccomp')}, 1, 8, $program) > 2 ? "listens" : "no: $!";`;
    const asks = `perl -e ${quote(script)}`;
    expect(await output(await userWith({ sysinfo: 'host' }), asks)).toBe('listens');
    expect(await output(login, asks)).toBe('no: Device or resource busy'); // of one process one listens, to all its filters
  });

  it.skipIf(process.arch !== 'x64')(
    '32-bit programs have their sockets, and no others by socket(2)',
    async () => {
      expect(await output(login, '/tools/thirty-two 1 2 10 16')).toBe('1 0 0\n2 0 0\n10 0 0\n16 0 0\n');
      expect(await output(login, '/tools/thirty-two 38 40')).toMatch(/^38 \d+ 97\n40 \d+ 97\n$/);
    },
  );
});

it.skipIf(control || process.arch !== 'x64')('socketcall = no: 32-bit programs have none', async () => {
  const login = await userWith({ socketcall: 'no' });
  expect(await output(login, '/tools/thirty-two 1 2 38')).toBe('1 97 0\n2 97 0\n38 97 97\n');
});

/** How many filters a process has, PID 1 and this one, which has one more: sysinfo(2) is answered (policy key sysinfo). */
const filters = "sed -n 's/^Seccomp_filters:\\t//p' /proc/1/status /proc/self/status";

describe.skipIf(control)('strict', () => {
  it('has shells, compilers and interpreters, and no debugger', async () => {
    const login = await userWith({ seccomp: 'strict' });
    expect(await output(login, filters)).toBe('2\n3\n');
    const compile = "echo 'int main(void) { return 3; }' > a.c && gcc -o a a.c && { ./a; echo $?; }";
    expect(await output(login, compile)).toBe('3\n');
    expect(
      await output(login, `python3 -c 'import socket; socket.socket(); print(1)'; /tools/node -p 2`),
    ).toBe('1\n2\n');
    expect((await login.ssh('tty', { options: ['-tt'] })).stdout.toString()).toMatch(/^\/dev\/pts\//);
    expect((await login.ssh('strace true')).code).not.toBe(0);
    expect(await output(login, calls('ptrace', 'shmget', 'io_setup', 'bpf', 'clone3'))).toBe(
      'ptrace 1\nshmget 1\nio_setup 1\nbpf 1\nclone3 38\n',
    );
    if (process.arch === 'x64') expect((await login.ssh('/tools/thirty-two 1')).code).not.toBe(0);
  });

  it('holds for a session that another spawner began', async () => {
    const login = await userWith({ seccomp: 'strict', socketcall: 'no' });
    expect(await output(login, filters)).toBe('3\n4\n');
    process.kill(supervisorOf((await login.host.sandboxOf(login.user))?.initPid).spawner, 'SIGKILL');
    expect(await output(login, filters)).toBe('3\n4\n');
  });
});

describe.skipIf(control)('a profile of the policy', () => {
  const sneaky = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86'],
    syscalls: [
      { names: ['sethostname'], action: 'SCMP_ACT_ALLOW' },
      { names: ['ptrace'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
      { names: ['sysinfo'], action: 'SCMP_ACT_NOTIFY' },
      { names: ['times'], action: 'SCMP_ACT_KILL_PROCESS' },
    ],
  };
  const asked = ['ptrace', 'sysinfo', 'add_key', 'keyctl', 'mount', 'setns', 'bpf', 'io_uring_setup'];

  it('takes away, and gives nothing', async () => {
    const login = await userWith({ seccomp: await profile('sneaky.json', sneaky) });
    expect(await output(login, filters)).toBe('2\n3\n');
    expect(await output(login, calls(...asked))).toBe(
      'ptrace 13\nsysinfo 38\nadd_key 1\nkeyctl 1\nmount 1\nsetns 1\nbpf 1\nio_uring_setup 38\n',
    );
    expect((await login.ssh(`sh -c ${quote(`${calls('times')}; echo $?`)}`)).stdout.toString()).toBe('159\n');
  });

  it('stands alone where the policy says so', async () => {
    const settings = { seccomp: await profile('sneaky.json', sneaky), seccomp_widen: 'yes' };
    const login = await userWith(settings);
    expect(await output(login, filters)).toBe('1\n2\n');
    // EFAULT, EOPNOTSUPP and EBADF come from the kernel itself.
    expect(await output(login, calls('ptrace', 'add_key', 'keyctl', 'setns'))).toMatch(
      /^ptrace 13\nadd_key 14\nkeyctl (?!1$|38$)\d+\nsetns (?!1$|38$)\d+\n$/m,
    );
  });

  it('holds beside root and nesting', async () => {
    const file = await profile('no-netlink.json', {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        {
          names: ['socket'],
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 97,
          args: [{ index: 0, value: 16, op: 'SCMP_CMP_EQ' }],
        },
      ],
    });
    const login = await userWith({ seccomp: file, root: 'yes', nesting: 'yes' });
    expect(await output(login, 'unshare -Ur id -u')).toBe('0\n');
    const socket = `perl -MSocket -e 'socket(S, 16, SOCK_RAW, 0) or print 0 + $!; socket(S, 2, SOCK_STREAM, 0) and print " inet"'`;
    expect(await output(login, socket)).toBe('97 inet');
    expect(await output(login, `unshare -Ur ${socket}`)).toBe('97 inet');
  });

  it('with what every session begins with has enough for one to begin', async () => {
    const source = '#include <unistd.h>\nint main(void) { return write(1, "ran\\n", 4) != 4; }\n';
    const small = ['-static', '-O1', '-x', 'c', '-o', join(tools, 'small'), '-'];
    await runOk('musl-gcc', small, { input: source });
    const syscalls = [{ names: neededCalls, action: 'SCMP_ACT_ALLOW' }];
    const seccomp = await profile('least.json', { defaultAction: 'SCMP_ACT_KILL_PROCESS', syscalls });
    const login = await userWith({ seccomp, shell: '/tools/small' });
    expect(await output(login, 'anything')).toBe('ran\n');
    const terminal = await login.ssh('anything', { options: ['-tt'] });
    expect(terminal.stdout.toString()).toBe('ran\r\n');
    const alone = await userWith({ seccomp, seccomp_widen: 'yes', nice: 3, shell: '/tools/small' });
    expect(await output(alone, 'anything')).toBe('ran\n');
    expect(await world().host.ctl('stop', alone.user.name)).toMatchObject({ code: 0 });
  });

  it('refuses logins while it is wrong, says what is wrong with it, and counts once it is mended', async () => {
    const file = await profile('wrong.json', '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [');
    const login = await userWith({ seccomp: file });
    const { host } = world();
    const refused = async (problem: RegExp): Promise<void> => {
      const result = await login.ssh('echo ran');
      expect(result.code, describeFinished(result)).toBe(125);
      expect(result.stdout.toString()).toBe('');
      expect(result.stderr.toString()).toMatch(/E_SECCOMP/);
      expect(result.stderr.toString()).not.toContain(tools);
      expect(host.logTail()).toMatch(problem);
      const check = await host.ctl('policy', 'check', host.policyFile);
      expect(check.code).toBe(78);
      expect(check.stdout.toString()).toMatch(problem);
      expect(check.stdout.toString()).toContain(file);
    };
    await refused(/is no JSON/);
    await profile('wrong.json', {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['opennat'], action: 'SCMP_ACT_LOG' }],
    });
    await refused(/unknown system call .*opennat/);
    await profile('wrong.json', { defaultAction: 'SCMP_ACT_ERRNO' });
    await refused(/does not allow what every session begins with/);
    await profile('wrong.json', sneaky);
    await chmod(file, 0o666);
    await refused(/is writable by everybody/);
    await rm(file);
    await refused(/does not exist/);
    await profile('wrong.json', sneaky);
    expect((await host.ctl('policy', 'check', host.policyFile)).code).toBe(0);
    expect(await output(login, 'echo ran')).toBe('ran\n');
  });
});
