// Checks whether sandboxes can have private networks, and whether packets of these get through the host.

import { release } from 'node:os';
import { formatCidr, overlap, parseCidr } from '../../../lib/network/address.ts';
import type { PortPool } from '../../../lib/network/network.ts';
import { recordedDefault } from '../../../policy/network/older.ts';
import type { AdminResult } from '../../../protocol/admin.ts';
import { runCommand } from '../../host/command.ts';
import { type Barrier, barriers, type Firewall } from '../../host/firewall.ts';
import { routesOf } from '../../host/routes.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { policyOf } from '../subject.ts';
import { portRange, sysctlText } from './sysctl-text.ts';

const nobody = ok('nobody has a private network');

/** Of checks that are about nothing while nobody has a private network. */
function ifPrivate(look: (context: Context) => Promise<Finding>): HostCheck['run'] {
  return async (context) => {
    const { found } = await context.subjects();
    const isPrivate = found.some((subject) => policyOf(subject)?.network.kind === 'private');
    return isPrivate ? await look(context) : nobody;
  };
}

export const networkChecks: readonly HostCheck[] = [
  {
    id: 'network-default',
    group: 'network',
    what: 'the policy says which network sandboxes have',
    why: 'An installation from before private networks goes on with "network = none" until its policy says otherwise.',
    run: settled,
  },
  {
    id: 'network-kernel',
    group: 'network',
    what: 'private networks can be made',
    why: 'They are pairs of virtual links (veth) with rules of nftables inside; without either, logins are refused.',
    run: ifPrivate(kernelParts),
  },
  {
    id: 'network-forward',
    group: 'network',
    what: "no other program's rules keep private networks from getting out",
    why: 'What one table of the packet filter drops, no other table can let through.',
    run: ifPrivate(forwarding),
  },
  {
    id: 'network-pool',
    group: 'network',
    what: "the addresses of private networks are nobody else's",
    why: 'Where this host has another way to them, packets go there, or those of that network come here.',
    run: ifPrivate(pools),
  },
  {
    id: 'network-ipv6',
    group: 'network',
    what: 'private networks have IPv6 where this host has it',
    why: 'To forward IPv6 takes the default route away that a router has advertised, unless accept_ra is 2 or the kernel can forward for single links.',
    run: ifPrivate(ipv6),
  },
  {
    id: 'network-ports',
    group: 'network',
    what: "the host takes no ports for itself that are users' own",
    why: 'A port of net.ipv4.ip_local_port_range may be in use by a connection of the host when a user publishes it.',
    run: ifPrivate(ports),
  },
];

async function settled(context: Context): Promise<Finding> {
  const { state, config } = await context.paths();
  const { policy } = await context.policy();
  if ((await recordedDefault(state)) === 'private') return ok('sandboxes have private networks by default');
  const says = policy?.defaults.some(({ name, settings }) => name === 'defaults' && settings.has('network'));
  if (policy === undefined || says === true) return ok('[defaults] says it');
  return warning(
    '[defaults] does not say it, and this installation is older than private networks: it is none',
    `Write network = private in [defaults] of ${config}, or network = none to leave it as it is ("dockershctl policy check" shows whom it concerns).`,
  );
}

async function kernelParts(context: Context): Promise<Finding> {
  if (!context.isRoot) return unknown('only root can try', 'Run doctor as root.');
  const attempts = [
    ['veth', ['ip', 'link', 'add', 'dsh0', 'type', 'veth', 'peer', 'name', 'dsh1']],
    ['nf_tables', ['nft', 'add table inet dockersh']],
  ] as const;
  const missing: string[] = [];
  for (const [name, [program, ...args]] of attempts) {
    if ((await runCommand(program, ['-V'])) === undefined) continue;
    const tried = await runCommand('unshare', ['--net', '--', program, ...args]);
    if (tried !== undefined && tried.status !== 0) missing.push(name);
  }
  if (missing.length === 0) return ok(`Linux ${release()} makes links and rules`);
  return critical(
    `${missing.join(' and ')} can't be had`,
    `Load what is missing: modprobe -a ${missing.join(' ')}; a kernel that has been upgraded finds its modules after a restart. Otherwise write network = none.`,
  );
}

const ways: Record<Firewall, Record<Barrier['what'], string>> = {
  ufw: {
    out: 'ufw route allow in on dsh+',
    back: 'ufw route allow out on dsh+',
  },
  docker: {
    out: 'IPTABLES -I DOCKER-USER -i dsh+ -j ACCEPT && IPTABLES -I DOCKER-USER -o dsh+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    back: 'IPTABLES -I DOCKER-USER -o dsh+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  },
  firewalld: {
    out: 'firewall-cmd --permanent --zone=trusted --add-interface=dsh+ && firewall-cmd --reload',
    back: 'firewall-cmd --permanent --zone=trusted --add-interface=dsh+ && firewall-cmd --reload',
  },
  other: {
    out: 'nft insert rule CHAIN iifname "dsh*" accept && nft insert rule CHAIN oifname "dsh*" ct state established,related accept',
    back: 'nft insert rule CHAIN oifname "dsh*" ct state established,related accept',
  },
};

async function forwarding(context: Context): Promise<Finding> {
  if (!context.isRoot) return unknown('only root can look at the rules', 'Run doctor as root.');
  const found = await barriers();
  if (found === undefined)
    return unknown(
      'nft, which lists the rules, is not there',
      'Run apt-get install nftables, and doctor again.',
    );
  if (found.length === 0) return ok('nothing is in the way');
  const fixes = found.map(({ whose, what, chain }) =>
    ways[whose][what]
      .replaceAll('CHAIN', chain)
      .replaceAll('IPTABLES', chain.startsWith('ip6 ') ? 'ip6tables' : 'iptables'),
  );
  return critical(
    found.map(({ chain, whose }) => `${chain}${whose === 'other' ? '' : ` (${whose})`} drops`).join(', '),
    `Run ${[...new Set(fixes)].join(' && ')}; docs/network.md says how to keep it over a restart.`,
  );
}

/** What the daemon has chosen, or else what the policy says. */
async function poolsOf(context: Context): Promise<readonly string[]> {
  const answer = await networksOf(context);
  if (answer !== undefined && answer.pools.length > 0) return answer.pools;
  const { networkPool = null, networkPool6 = null } = (await context.policy()).policy?.host ?? {};
  return [networkPool, networkPool6 === 'none' ? null : networkPool6].flatMap((pool) =>
    pool === null ? [] : [formatCidr(pool)],
  );
}

async function networksOf(context: Context): Promise<AdminResult<'network'> | undefined> {
  return (await context.daemon()).ok ? await context.cli.call('network', {}) : undefined;
}

async function pools(context: Context): Promise<Finding> {
  const written = await poolsOf(context);
  if (written.length === 0) return ok('none has been chosen yet; it will be one that is free');
  const routes = [await routesOf(4), await routesOf(6)].flatMap((some) => some ?? []);
  const clashes = written.flatMap((text) => {
    const pool = parseCidr(text);
    if (!pool.ok) return [];
    return routes.flatMap(({ to, device }) =>
      to !== undefined && !device.startsWith('dsh') && overlap(to, pool.value)
        ? [`${text} overlaps ${formatCidr(to)} on ${device}`]
        : [],
    );
  });
  if (clashes.length === 0) return ok(written.join(', '));
  return warning(
    clashes.join(', '),
    `Write network_pool (network_pool6 for IPv6) with a block that nothing uses in [host] of ${(await context.paths()).config}; it counts when no sandbox with the old one runs any more.`,
  );
}

async function ipv6(context: Context): Promise<Finding> {
  if ((await context.policy()).policy?.host.networkPool6 === 'none') return ok('the policy wants none');
  const routes = await routesOf(6);
  const uplinks = (routes ?? []).filter(({ to }) => to === undefined);
  if (uplinks.length === 0) return ok('this host has no default route of IPv6');
  if ((await sysctlText('net/ipv6/conf/all/force_forwarding')) !== undefined)
    return ok('the kernel forwards for single links');
  if ((await sysctlText('net/ipv6/conf/all/forwarding')) === '1')
    return ok('this host forwards IPv6 already');
  const losing: string[] = [];
  for (const { device, advertised } of uplinks) {
    const accepts = await sysctlText(`net/ipv6/conf/${device}/accept_ra`);
    if (advertised && accepts !== '2') losing.push(device);
  }
  if (losing.length === 0) return ok('no default route depends on it');
  const settings = losing.map((device) => `net/ipv6/conf/${device}/accept_ra=2`).join(' ');
  return warning(
    `the default route of ${losing.join(' and ')} is a router's word, and would be gone: private networks have IPv4 alone`,
    `Run sysctl -w ${settings}, write the same into a file in /etc/sysctl.d, and restart dockershd. network_pool6 = none in [host] says that you want none.`,
  );
}

async function ports(context: Context): Promise<Finding> {
  const { policy } = await context.policy();
  if (policy === undefined) return ok('there is no policy');
  const range = portRange(await sysctlText('net/ipv4/ip_local_port_range'));
  const reserved = await sysctlText('net/ipv4/ip_local_reserved_ports');
  const { publishPool, moshPool } = policy.host;
  const taken = [publishPool, moshPool].filter(
    (pool): pool is PortPool =>
      pool !== null &&
      range !== undefined &&
      pool.first <= range.last &&
      range.first <= pool.last &&
      !(reserved ?? '').split(',').includes(`${pool.first}-${pool.last}`),
  );
  if (taken.length === 0) return ok('the pools are outside of net.ipv4.ip_local_port_range, or reserved');
  const texts = taken.map(({ first, last }) => `${first}-${last}`);
  const all = [...(reserved === undefined || reserved === '' ? [] : [reserved]), ...texts].join(',');
  return warning(
    `${texts.join(' and ')} are of net.ipv4.ip_local_port_range (${range?.first}-${range?.last})`,
    `Run sysctl -w net.ipv4.ip_local_reserved_ports=${all}, and write the same into a file in /etc/sysctl.d.`,
  );
}
