// Everyday programs in a sandbox of the image `host` find what they need: their configuration in /etc and /var, their
// limits, a machine-id, folders below /run; and what can have no effect says why.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks, unlimited } from '../../fixtures/machine.ts';
import { describeFinished, run } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const defaults = { image: 'host', linger: '1h', stop_grace: '0', memory: '512M', cpus: '1' };
let login: Login;
let other: Login;
let nesting: Login;

async function output(command: string, who: Login = login): Promise<string> {
  const result = await who.ssh(`exec 2>&1; ${command}`);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

async function refusal(command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(1);
  expect(result.stdout.toString()).toBe('');
  return result.stderr.toString();
}

async function onHost(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args)).stdout.toString();
}

describe.skipIf(control)('in the image host', () => {
  beforeAll(async () => {
    login = world().login('shell');
    other = await world().addLogin('shell');
    nesting = await world().addLogin('shell');
    await world().host.setPolicy({ defaults, users: { [nesting.user.name]: { nesting: 'yes' } } });
  }, 120_000);

  it.skipIf(lacks('convert'))("ImageMagick's security policy holds", async () => {
    const rules = (text: string): string[] => text.match(/^ +(name|rights|pattern|value): .*/gm) ?? [];
    const there = rules(await onHost('/usr/bin/convert', '-list', 'policy'));
    expect(there.length).toBeGreaterThan(4);
    expect(rules(await output('/usr/bin/convert -list policy'))).toEqual(there);
  });

  it.skipIf(lacks('php'))('php has the extensions that are enabled on the host', async () => {
    const there = await onHost('php', '-m');
    expect(there).toContain('posix');
    expect(await output('php -m')).toBe(there);
  });

  it.skipIf(lacks('man'))('man -k finds what it finds on the host', async () => {
    const there = await onHost('man', '-k', '^dpkg$');
    if (existsSync('/var/cache/man/index.db')) expect(await output("man -k '^dpkg$' || true")).toBe(there);
  });

  it.skipIf(lacks('pdflatex'))('pdflatex has its format and its fonts, and typesets', async () => {
    const text = String.raw`\documentclass{article}\begin{document}$E = mc^2$ \emph{and} \textbf{more}\end{document}`;
    await output(`cd /tmp && echo '${text}' >page.tex && pdflatex -interaction=batchmode page.tex`);
    expect(await output('head -c 5 /tmp/page.pdf')).toBe('%PDF-');
  });

  it.skipIf(lacks('ping'))('ping reaches localhost', async () => {
    for (const name of ['localhost', '127.0.0.1']) {
      expect(await output(`ping -c 1 -W 5 ${name}`)).toContain('1 received, 0% packet loss');
    }
  });

  it.skipIf(lacks('screen'))('screen keeps a session in the background', async () => {
    await output('screen -dmS work sleep 1000');
    expect(await output('screen -ls || true')).toMatch(/\.work\s+\(/);
    expect(await output('stat -c "%a %U" /run/screen')).toBe('1777 root\n');
  });

  it('has a machine-id of each user, the same at every start', async () => {
    const id = await output('cat /etc/machine-id');
    expect(id).toMatch(/^[0-9a-f]{32}\n$/);
    expect(id).not.toBe(await readFile('/etc/machine-id', 'utf8').catch(() => ''));
    expect(await output('cat /etc/machine-id', other)).not.toBe(id);
    await world().host.ctlOk('stop', login.user.name);
    expect(await output('cat /etc/machine-id')).toBe(id);
  });

  it.skipIf(unlimited)('programs can read the limits, and change nothing', async () => {
    const limit = 512 * 1024 ** 2;
    const files = '/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes';
    expect(await output(`cat ${files} 2>/dev/null || true`)).toBe(`${limit}\n`);
    expect(await output('cat /proc/self/cgroup')).not.toContain(login.user.name);
    expect(await output('find /sys/fs/cgroup -writable')).toBe('');
    expect(await output('find /sys/fs/cgroup -mindepth 2 -type d')).toBe('');
    expect(await output(`mkdir /sys/fs/cgroup/a /sys/fs/cgroup/memory/a 2>/dev/null || echo refused`)).toBe(
      'refused\n',
    );
  });

  // Of control groups of version 1 a JVM wants cpuset and cpuacct as well, and goes by sysinfo(2) where they are not there.
  it.skipIf(unlimited || lacks('java'))('a JVM goes by the limit of memory, and so does node', async () => {
    const heap = await output('java -XX:+PrintFlagsFinal -version | grep -w MaxHeapSize');
    const bytes = Number(/= (\d+)/.exec(heap)?.[1]);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(512 * 1024 ** 2);
    if (!existsSync('/usr/bin/node')) return;
    const constrained = await output('node -p "process.constrainedMemory()"');
    expect(constrained).toBe(`${512 * 1024 ** 2}\n`);
  });

  it('what can become nobody says why, and what concerns the account where to go', async () => {
    for (const name of ['sudo true', 'su', 'passwd', 'chsh -s /bin/sh', 'newgrp users']) {
      const [program = ''] = name.split(' ');
      expect(await refusal(name)).toMatch(new RegExp(`^${program}: .*administrator of this host.*\\.\n$`));
    }
    expect(await output('ls /usr/bin | sort -u | wc -l')).toBe(
      await onHost('/bin/sh', '-c', 'ls /usr/bin | sort -u | wc -l'),
    );
  });

  it('no ranges of ids are named where nothing can take them', async () => {
    expect(await output('cat /etc/subuid /etc/subgid || true', nesting)).not.toContain(nesting.user.name);
  });

  it('a shell that is not there is not in $SHELL either', async () => {
    const { host } = world();
    await host.setPolicy({ defaults, users: { [login.user.name]: { shell: '/opt/none/zsh' } } });
    const result = await login.ssh('echo "$SHELL"; test -x "$SHELL"');
    expect([result.code, result.stdout.toString()]).toEqual([0, '/bin/sh\n']);
    await host.setPolicy({ defaults });
  });
});
