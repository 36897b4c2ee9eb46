// A host in a system that runs, whose users have private networks: with an internet behind its uplink, and behind a second
// interface a network with names of its own (split DNS). It is set up as servers are, by systemd-networkd.
//
//   guest: uplink0 203.0.113.2, 2001:db8:1::2 ──── isp0  203.0.113.1, 2001:db8:1::1 :internet ns
//                                                  lo    198.51.100.7, 2001:db8:7::7 (far away), 169.254.169.254
//          vpn0    10.66.0.2                  ──── corp0 10.66.0.1

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addresses, peerPort } from '../../fixtures/network/internet.ts';
import { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { type Outcome, probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { describeFinished, Running, waitUntil } from '../../fixtures/process.ts';
import { Guest } from '../guest.ts';
import { debFile, type Suite } from '../remote.ts';
import { Watch } from './watch.ts';

export const corp = { host: '10.66.0.2', server: '10.66.0.1' } as const;
/** Where clouds have the machine's credentials. Here, somebody answers there as well. */
const metadata = '169.254.169.254';

const { host, gateway, far } = addresses;
const python = '/usr/bin/python3';
const fixtures = join(import.meta.dirname, '../../fixtures/network');
const peerProgram = join(fixtures, 'peer.py');
const watchPath = '/usr/local/share/watch.py';
const peerPath = '/usr/local/share/peer.py';

/** What the guest starts with. It shares a kernel whose controllers are of version 1: nothing can enforce a limit there. */
const files = {
  '/etc/systemd/network/uplink.network': `[Match]
Name=uplink0
[Network]
Address=${host.v4}/24
Address=${host.v6}/64
Gateway=${gateway.v4}
Gateway=${gateway.v6}
IPv6AcceptRA=no
DNS=${gateway.v4}
Domains=lab.example
`,
  '/etc/systemd/network/vpn.network': `[Match]
Name=vpn0
[Network]
Address=${corp.host}/24
IPv6AcceptRA=no
DNS=${corp.server}
Domains=~corp.example
`,
  '/etc/dockersh/conf.d/test.ini': `[defaults]
linger = forever
memory = none
pids = none
[user:bob]
publish = 0.0.0.0:+0:${peerPort}
`,
  [watchPath]: readFileSync(join(fixtures, 'watch.py'), 'utf8'),
  [peerPath]: readFileSync(peerProgram, 'utf8'),
};

interface Check {
  readonly id: string;
  readonly state: string;
  readonly found: string;
  readonly fix?: string;
}

interface Network {
  readonly user: string;
  readonly address4: string;
  readonly published: readonly { readonly first: number }[];
}

export class Lan implements AsyncDisposable {
  readonly guest: Guest;
  readonly internet: NetworkNamespace;
  readonly #stack = new AsyncDisposableStack();

  private constructor(guest: Guest, internet: NetworkNamespace) {
    this.guest = guest;
    this.internet = internet;
  }

  /** With the package installed, and with these users. */
  static async create(suite: Suite, users: readonly string[]): Promise<Lan> {
    await using stack = new AsyncDisposableStack();
    const guest = stack.use(await Guest.start(suite, { system: 'root-network', files }));
    const internet = stack.use(await NetworkNamespace.create());
    const lan = new Lan(guest, internet);
    lan.#stack.use(stack.move());
    try {
      await lan.#layInternet();
      await lan.connect();
      await guest.copyIn(debFile(), '/root/dockersh.deb');
      await guest.addUsers(...users);
      await guest.enterOk(`dpkg -i /root/dockersh.deb
        for user in ${users.join(' ')}; do usermod --shell /usr/bin/dockersh $user; done`);
      return lan;
    } catch (error) {
      await lan[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #layInternet(): Promise<void> {
    const { internet } = this;
    await internet.ok('sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0');
    for (const address of [`${far.v4}/32`, `${far.v6}/128`, `${metadata}/32`])
      await internet.ok('ip', 'address', 'add', address, 'dev', 'lo');
    await this.#start(...internet.command(python, [peerProgram, String(peerPort)]));
  }

  /** Plugs the guest in, as it is when it starts, and has somebody answer on the guest itself. */
  async connect(): Promise<void> {
    const { guest, internet } = this;
    const plugs = {
      isp0: ['uplink0', `${gateway.v4}/24`, `${gateway.v6}/64`],
      corp0: ['vpn0', `${corp.server}/24`],
    };
    for (const [name, [peer = '', ...own]] of Object.entries(plugs)) {
      await internet.ok('ip', 'link', 'add', name, 'type', 'veth', 'peer', peer, 'netns', String(guest.pid));
      for (const address of own) await internet.ok('ip', 'address', 'add', address, 'dev', name);
      await internet.ok('ip', 'link', 'set', name, 'up');
    }
    await this.#start('nsenter', ['-t', String(guest.pid), '-n', python, peerProgram, String(peerPort)]);
    const settled = async (): Promise<boolean> => {
      const routes = await guest.enterOk('ip -4 route; ip -6 route; ip -6 address');
      return routes.match(/^default via/gm)?.length === 2 && !routes.includes('tentative');
    };
    await waitUntil(settled, 'systemd-networkd to set the uplink up', 20_000);
  }

  async #start(program: string, args: readonly string[]): Promise<void> {
    const peer = this.#stack.use(new Running(program, args, { stdio: 'pipe' }));
    await peer.waitForOutput('ready');
  }

  /** A name server in the internet; it writes what it is asked to its standard error. */
  async serve(address: string, ...records: string[]): Promise<Running> {
    const options = ['--keep-in-foreground', '--log-facility=-', '--log-queries', '--conf-file=/dev/null'];
    const own = [
      '--no-resolv',
      '--no-hosts',
      '--local=/example/',
      '--bind-interfaces',
      `--listen-address=${address}`,
    ];
    const nobody = ['--user=root', '--group=root', '--pid-file='];
    const args = [...options, ...own, ...nobody, ...records];
    const server = this.#stack.use(this.internet.start('/usr/sbin/dnsmasq', args));
    await waitUntil(() => server.stderr.toString().includes('started'), 'dnsmasq', 10_000);
    return server;
  }

  /** What a user's command prints; it must succeed. */
  async inside(user: string, command: string): Promise<string> {
    return await this.guest.sshOk(user, command);
  }

  async probe(user: string, targets: readonly Target[]): Promise<Outcome[]> {
    const ssh = async (command: string, options: { input: string }) =>
      await this.guest.ssh(user, command, options);
    return await probeFrom({ ssh }, targets);
  }

  /** Has somebody answer in a user's sandbox, whose address of IPv4 it returns. */
  async answerIn(user: string): Promise<string> {
    const peer = this.#stack.use(this.guest.startSsh(user, `exec ${python} ${peerPath} ${peerPort}`));
    await peer.waitForOutput('ready');
    return (await this.#network(user)).address4;
  }

  /** The first of the host's ports that lead into a user's sandbox. */
  async publishedBy(user: string): Promise<number> {
    return (await this.#network(user)).published[0]?.first ?? 0;
  }

  async #network(user: string): Promise<Network> {
    const { users } = JSON.parse(await this.guest.enterOk('dockershctl --json network ls')) as {
      users: Network[];
    };
    const found = users.find((each) => each.user === user);
    if (found === undefined) throw new Error(`${user} has no network`);
    return found;
  }

  /** What must never be reached: the host by each of its addresses, credentials, and these. */
  closed(...others: string[]): string[] {
    return [host.v4, host.v6, corp.host, metadata, ...others];
  }

  /** Has a user's sandbox try all the time, until the watch ends. `closed`: addresses, or "ADDRESS PORT". */
  async watch(user: string, closed: readonly string[]): Promise<Watch> {
    const targets = [far.v4, ...closed].map(
      (each) => `'${each.includes(' ') ? each : `${each} ${peerPort}`}'`,
    );
    return await Watch.start(this.guest.startSsh(user, `exec ${python} ${watchPath} ${targets.join(' ')}`));
  }

  /** What doctor finds, by the checks' names. */
  async doctor(): Promise<Record<string, Check>> {
    const finished = await this.guest.enter('dockershctl', ['--json', 'doctor']);
    if (finished.stdout.length === 0) throw new Error(describeFinished(finished));
    const { checks } = JSON.parse(finished.stdout.toString()) as { checks: Check[] };
    return Object.fromEntries(checks.map((check) => [check.id, check]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
