// Names in a sandbox with a private network: what the host's name servers say, whatever becomes of the relay, of the daemon
// and of the host's resolv.conf; and rules by name.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningSandbox } from '../../fixtures/host.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import { probeFrom } from '../../fixtures/network/probe.ts';
import { describeFinished, runOk, waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

const fakeDns = join(import.meta.dirname, '../../fixtures/network/fake-dns.py');

const serve = (address: string, answer: string): [string, string[]] => [
  '/usr/sbin/dnsmasq',
  [
    ...['--keep-in-foreground', '--log-facility=-', '--no-resolv', '--no-hosts', '--conf-file=/dev/null'],
    ...['--bind-interfaces', `--listen-address=${address}`, '--user=root', '--group=root', '--pid-file='],
    ...[`--host-record=far.example,${answer},${addresses.far.v6}`, '--txt-record=text.example,hello'],
    ...[`--host-record=other.example,${addresses.gateway.v4}`, '--cname=alias.example,far.example'],
  ],
];

describe.skipIf(control)('names in a private network', () => {
  let folder: string;
  let internet: Internet;
  let world: World;
  let login: Login;
  const stack = new AsyncDisposableStack();

  const policy = async (settings: Record<string, string | number> = {}): Promise<void> =>
    await world.host.setPolicy({
      defaults: { image: 'host', network: 'private', linger: '10m', stop_grace: '0', ...settings },
    });
  const inside = async (command: string): Promise<string> => {
    const result = await login.ssh(command);
    expect(result.code, describeFinished(result)).toBe(0);
    return result.stdout.toString();
  };
  const lookup = async (name: string): Promise<string> => {
    const { stdout } = await login.ssh(`getent ahostsv4 ${name}`);
    return stdout.toString().split(' ')[0] ?? '';
  };
  const relayPid = async (): Promise<number> => {
    const { ino } = await import('node:fs').then((fs) =>
      fs.statSync(join(world.host.runFolder, 'relay.sock.lock')),
    );
    const locks = await readFile('/proc/locks', 'utf8');
    return Number(new RegExp(`FLOCK +ADVISORY +WRITE (\\d+) \\S+:${ino} `).exec(locks)?.[1]);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dockersh-test-names-'));
    stack.defer(async () => await rm(folder, { recursive: true, force: true }));
    const text = 'search example\noptions timeout:2\nnameserver 127.0.0.53\n';
    internet = stack.use(await Internet.create({ resolvConf: { folder, text } }));
    for (const [address, answer] of [
      ['127.0.0.53', addresses.far.v4],
      ['127.0.0.54', '198.51.100.99'],
    ] as const) {
      const server = stack.use(internet.host.start(...serve(address, answer)));
      await waitUntil(() => server.stderr.toString().includes('started'), 'dnsmasq');
    }
    world = stack.use(
      await internet.world({
        policy: { defaults: { image: 'host', network: 'private', linger: '10m', stop_grace: '0' } },
      }),
    );
    login = world.login('shell');
  });
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('are what the host’s server on its loopback says, with its search list, by UDP and TCP', async () => {
    expect(await inside('cat /etc/resolv.conf')).toMatch(
      /^nameserver \d[\d.]+\nsearch example\noptions timeout:2\n$/,
    );
    expect(await lookup('far.example')).toBe(addresses.far.v4);
    expect(await lookup('far')).toBe(addresses.far.v4);
    expect(await inside('getent ahostsv6 far.example')).toContain(addresses.far.v6);
    expect(await inside(`RES_OPTIONS=use-vc getent ahostsv4 far.example`)).toContain(addresses.far.v4);
    expect((await login.ssh('getent ahosts nowhere.example')).code).toBe(2);
  });

  it('are the sandbox’s own as well', async () => {
    expect(await inside('getent ahostsv4 "$(hostname)"')).toMatch(/^10\.|^172\.|^192\./);
  });

  it('go on when the relay is killed, and the daemon', async () => {
    const before = await relayPid();
    expect(before).toBeGreaterThan(0);
    process.kill(before, 'SIGKILL');
    expect(await lookup('far.example')).toBe(addresses.far.v4);
    await world.host.killDaemon();
    const asking = login.ssh('getent ahostsv4 far.example');
    await world.host.startDaemon();
    expect((await asking).stdout.toString()).toContain(addresses.far.v4);
    const now = await relayPid();
    expect(now).not.toBe(before);
    process.kill(now, 'SIGKILL');
    expect(await lookup('far.example')).toBe(addresses.far.v4);
  });

  it('follow the host’s resolv.conf under a running sandbox', async () => {
    const file = join(folder, 'resolv.conf'); // mounted: the file itself is written
    await writeFile(file, 'nameserver 127.0.0.54\n');
    await waitUntil(async () => (await lookup('far.example')) === '198.51.100.99', 'the other server');
    await writeFile(file, 'nameserver 127.0.0.53\n');
    await waitUntil(async () => (await lookup('far.example')) === addresses.far.v4, 'the first server');
  });

  it('are searched for as on the host now, but for who has a resolv.conf of their own', async () => {
    const file = join(folder, 'resolv.conf');
    const search = async (text: string): Promise<void> => {
      await writeFile(file, `${text}\nnameserver 127.0.0.53\n`);
      await waitUntil(async () => (await inside('cat /etc/resolv.conf')).endsWith(`\n${text}\n`), text);
    };
    await search('search nowhere.example\noptions attempts:1');
    expect(await lookup('far')).toBe('');
    await search('search example');
    expect(await lookup('far')).toBe(addresses.far.v4);
    await world.host.killDaemon();
    await writeFile(file, 'search later.example\nnameserver 127.0.0.53\n');
    await world.host.startDaemon();
    await waitUntil(async () => (await inside('cat /etc/resolv.conf')).includes('later'), 'the next daemon');

    const started = async (): Promise<RunningSandbox> => {
      await inside('true');
      const sandbox = await world.host.sandboxOf(login.user);
      if (sandbox === undefined) throw new Error('no sandbox');
      return sandbox;
    };
    const root = async (command: string): Promise<string> => {
      const asRoot = ['--user', '--mount', '--setuid', '0', '--setgid', '0', 'sh', '-c', command];
      return await runOk('nsenter', ['--target', String((await started()).initPid), ...asRoot]);
    };
    const seen = async (): Promise<string> => await inside('cat /etc/resolv.conf /run/dockersh/resolv.conf');
    await root('echo "nameserver 192.0.2.53" >/etc/resolv.conf'); // the link stays, and leads to this
    await writeFile(file, 'search one.example\nnameserver 127.0.0.53\noptions rotate\n');
    await root('rm /etc/resolv.conf; echo "nameserver 192.0.2.54" >/etc/resolv.conf');
    await root('mv /run/dockersh/published /run/old; ln -s /run/old /run/dockersh/published');
    await root(
      'rm -f /run/dockersh/published.new; ln -s /run/old /run/dockersh/published.new; echo mine >/run/old',
    );
    await policy({ publish: '8099' });
    await waitUntil(
      async () => (await internet.host.ok('ss', '-Hltn')).includes(':8099'),
      'another plan to be in force',
    );
    expect(await seen()).toBe('nameserver 192.0.2.54\nnameserver 192.0.2.53\n');
    expect(await inside('cat /run/old')).toBe('mine\n');
    await world.host.ctl('stop', login.user.name);
    expect(await seen()).toMatch(
      /^nameserver 192\.0\.2\.54\nnameserver 1[\d.]+\nsearch one\.example\noptions rotate\n$/,
    );
    await root('rm /etc/resolv.conf; ln -s /run/dockersh/resolv.conf /etc/resolv.conf');
    await writeFile(file, 'search example\nnameserver 127.0.0.53\n');
    await waitUntil(async () => (await lookup('far')) === addresses.far.v4, 'the search list again');
  });

  it('that are asked for in a flood take few places of the host’s table of connections', async () => {
    const tracked = async (): Promise<number> =>
      Number(await internet.host.ok('cat', '/proc/sys/net/netfilter/nf_conntrack_count'));
    await inside('true');
    const before = await tracked();
    const flood = `
import os, socket, time
resolver = open("/etc/resolv.conf").read().split()[1]
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.setblocking(False)
number, end = 0, time.monotonic() + 5
while time.monotonic() < end:
    number += 1
    question = os.urandom(2) + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\x08%08x\\7example\\0\\0\\1\\0\\1" % number
    try:
        asking.sendto(question, (resolver, 53))
        asking.recv(512)
    except BlockingIOError:
        pass
print(number)`;
    const asked = Number(await inside(`python3 -c '${flood}'`));
    expect(asked).toBeGreaterThan(10_000);
    const more = (await tracked()) - before;
    // 2000 at once and 100 a second from then on.
    expect(more).toBeGreaterThan(500);
    expect(more).toBeLessThan(3_500);
    await world.host.ctl('stop', login.user.name);
  });

  it('whose server gives more addresses than there is room for are not found, and nobody else notices', async () => {
    const server = stack.use(internet.host.start('/usr/bin/python3', [fakeDns, '127.0.0.55']));
    await server.waitForOutput('ready');
    const neighbour = await world.addLogin('shell');
    const allow_out = `*.evil.example:${peerPort} far.example:${peerPort}`;
    const usual = { image: 'host', network: 'private', linger: '10m', stop_grace: '0', allow_out };
    await world.host.ctl('stop', login.user.name);
    await world.host.setPolicy({
      defaults: usual,
      users: { [login.user.name]: { dns: '127.0.0.55' } },
    });
    const look =
      'for n in $(seq 0 15); do getent ahostsv4 flood$n.evil.example. | grep -c STREAM; done; true';
    const found = (await inside(look)).trim().split('\n').map(Number);
    // As many names as have room with all of their addresses; of another, none: what is given is let through.
    expect(found).toEqual(Array.from({ length: 16 }, (_, n) => (n < 10 ? 200 : 0)));
    expect(await lookup('far.example')).toBe('198.51.100.1'); // rules by another name have room of their own
    expect((await neighbour.ssh('getent ahostsv4 far.example')).stdout.toString()).toContain(
      addresses.far.v4,
    );
    const far = { protocol: 'tcp', address: addresses.far.v4 } as const;
    expect((await probeFrom(neighbour, [far])).map(({ result }) => result)).toEqual(['open']);
    await world.host.ctl('stop', login.user.name);
  });

  it('in rules stand for the addresses that have been given, from then on, and for no others', async () => {
    await policy({ allow_out: `*.example:${peerPort}` });
    const far = { protocol: 'tcp', address: addresses.far.v4 } as const;
    const gateway = { protocol: 'tcp', address: addresses.gateway.v4 } as const;
    await waitUntil(async () => (await probeFrom(login, [far]))[0]?.result !== 'open', 'the rules');
    expect(await lookup('far.example')).toBe(addresses.far.v4);
    expect((await probeFrom(login, [far, gateway])).map(({ result }) => result)).toEqual([
      'open',
      'ECONNREFUSED',
    ]);
    expect(await lookup('other.example')).toBe(addresses.gateway.v4);
    expect((await probeFrom(login, [gateway])).map(({ result }) => result)).toEqual(['open']);
  });
});
