// Works out what a sandbox's supervisor is told of its private network (the NET fields of docs/protocol.md): from what the
// policy says, the sandbox's own link, and what the host is at the moment. Pure.

import { DockershError } from '../../lib/errors.ts';
import { type Cidr, formatCidr } from '../../lib/network/address.ts';
import type {
  NetworkProtocol,
  NetworkRule,
  NetworkTarget,
  PortPool,
  PrivateNetwork,
  PublishedPorts,
} from '../../lib/network/network.ts';
import { shareOf } from '../../lib/network/network.ts';
import type { WireWriter } from '../../lib/wire.ts';
import { resolvConfText } from './files.ts';

/** What a sandbox's network is from its start to its end. */
export interface SandboxLink {
  /** Of the host's end. */
  readonly name: string;
  /** Of the sandbox, one of each family. */
  readonly addresses: readonly string[];
  /** Where names are asked for, on the sandbox's loopback. */
  readonly resolver: string;
  /** Blocks that all sandboxes' addresses are from, one of each family. */
  readonly pools: readonly string[];
  readonly mtu: number;
  /** Of the user: counts their ports as well. */
  readonly index: number;
}

/** Into the sandbox and out of it, since it was started. */
export interface Traffic {
  readonly bytesIn: number;
  readonly packetsIn: number;
  readonly bytesOut: number;
  readonly packetsOut: number;
}

/** Another sandbox in a network that both are in. */
export interface Peer {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** What may be another thing at any moment, for all sandboxes. */
export interface Surroundings {
  /** The host's own addresses. */
  readonly host: readonly Cidr[];
  /** Networks of the host's own bridges. */
  readonly bridged: readonly Cidr[];
  /** Path of the relay's socket; undefined: nobody answers for names. */
  readonly relay: string | undefined;
  readonly publishPool: PortPool | null;
  readonly moshPool: PortPool | null;
  /** The host's /etc/resolv.conf. */
  readonly resolvConf: string;
}

export interface NetworkPlan {
  readonly link: SandboxLink;
  /** What is closed because of what this host is: its own addresses, and networks of its bridges. */
  readonly host: readonly string[];
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
  readonly connections: number;
  readonly newConnections: number;
  readonly rules: readonly string[];
  /** For the relay. */
  readonly dns: string;
  readonly relay: string | undefined;
  readonly published: readonly string[];
  readonly peers: readonly string[];
  /** Inside. */
  readonly resolvConf: string;
  /** Whether a published port that is taken is a failure. */
  readonly strict: boolean;
}

/** Throws E_PORT where the user's share of a pool of ports is wanted, and there is none. */
export function planOf(
  network: PrivateNetwork,
  own: { readonly link: SandboxLink; readonly hostname: string; readonly peers: readonly Peer[] },
  { host, bridged, relay, publishPool, moshPool, resolvConf }: Surroundings,
): NetworkPlan {
  const { link, hostname, peers } = own;
  const names = new NameSets();
  const rules = (['deny', 'open', 'allow'] as const).flatMap((verdict) =>
    network[verdict].flatMap((rule) => ruleLines(verdict, rule, host, names)),
  );
  const known = [{ name: hostname, addresses: link.addresses }, ...peers];
  return {
    link,
    host: [...host, ...bridged].map(formatCidr),
    bytesIn: BigInt(network.bytesIn ?? 0),
    bytesOut: BigInt(network.bytesOut ?? 0),
    connections: network.connections ?? 0,
    newConnections: network.newConnections ?? 0,
    rules,
    dns: dnsLines(network, known, names),
    relay,
    published: publishedLines(network, link, { publishPool, moshPool }),
    peers: peers.flatMap(({ name, addresses }) => addresses.map((address) => `${name} ${address}`)),
    resolvConf: resolvConfText(resolvConf, link.resolver),
    strict: network.strict,
  };
}

/** Ports of the host that lead into the sandbox: "tcp 127.0.0.1 8080-8080 80-80". */
function publishedLines(
  network: PrivateNetwork,
  link: SandboxLink,
  { publishPool, moshPool }: Pick<Surroundings, 'publishPool' | 'moshPool'>,
): string[] {
  return [
    ...network.publish.map((ports) => publishLine(ports, publishPool, link.index)),
    ...moshLines(network, moshPool, link),
  ];
}

/** Whether anything of the host's, or of other sandboxes', is opened: then the host's table knows the sandbox. */
export function opens({ rules, peers }: NetworkPlan): boolean {
  return peers.length > 0 || rules.some((line) => line.startsWith('open '));
}

const sameLines = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((line, index) => line === other[index]);

/** Of the same sandbox. With a thousand of them this is asked often. */
export function samePlan(one: NetworkPlan, other: NetworkPlan): boolean {
  return (
    one.link.name === other.link.name &&
    one.bytesIn === other.bytesIn &&
    one.bytesOut === other.bytesOut &&
    one.connections === other.connections &&
    one.newConnections === other.newConnections &&
    one.dns === other.dns &&
    one.relay === other.relay &&
    one.resolvConf === other.resolvConf &&
    one.strict === other.strict &&
    (['host', 'rules', 'published', 'peers'] as const).every((lines) => sameLines(one[lines], other[lines]))
  );
}

export function writeNetwork(writer: WireWriter, plan: NetworkPlan): WireWriter {
  const { link } = plan;
  writer.text('netLink', link.name);
  for (const address of link.addresses) writer.text('netAddress', address);
  writer.text('netResolver', link.resolver);
  for (const pool of link.pools) writer.text('netPool', pool);
  for (const address of plan.host) writer.text('netHost', address);
  writer
    .u32('netMtu', link.mtu)
    .u64('netRate', plan.bytesIn, plan.bytesOut)
    .u32('netConnections', plan.connections)
    .u32('netNewConnections', plan.newConnections);
  for (const rule of plan.rules) writer.text('netRule', rule);
  writer.bytes('netDns', Buffer.from(plan.dns));
  if (plan.relay !== undefined) writer.text('netRelay', plan.relay);
  for (const ports of plan.published) writer.text('netPublish', ports);
  for (const peer of plan.peers) writer.text('netPeer', peer);
  return writer.text('netResolvConf', plan.resolvConf).u32('netStrict', plan.strict ? 1 : 0);
}

/** Numbers the sets that the relay fills with the addresses of names. */
class NameSets {
  readonly #names = new Map<string, number>();

  numberOf({ name, below }: Extract<NetworkTarget, { kind: 'name' }>): number {
    const written = below ? `*.${name}` : name;
    const known = this.#names.get(written) ?? this.#names.size;
    this.#names.set(written, known);
    return known;
  }

  lines(): string[] {
    return [...this.#names].map(([name, number]) => `pin ${number} ${name}`);
  }
}

const everywhere = ['0.0.0.0/0', '::/0'];

function targetsOf(target: NetworkTarget, host: readonly Cidr[], names: NameSets): string[] {
  switch (target.kind) {
    case 'any':
      return everywhere;
    case 'host':
      return host.map(formatCidr);
    case 'addresses':
      return [formatCidr(target.addresses)];
    case 'name':
      return [`@${names.numberOf(target)}`];
  }
}

function ruleLines(
  verdict: 'deny' | 'open' | 'allow',
  { target, protocol, firstPort, lastPort }: NetworkRule,
  host: readonly Cidr[],
  names: NameSets,
): string[] {
  const hasPorts = firstPort > 0 || lastPort < 65_535;
  // Ports are those of TCP and UDP: nothing else has any.
  const protocols: NetworkProtocol[] = hasPorts && protocol === 'any' ? ['tcp', 'udp'] : [protocol];
  return targetsOf(target, host, names).flatMap((where) =>
    protocols.map((one) => `${verdict} ${one} ${where} ${firstPort}-${lastPort}`),
  );
}

/** Lines for the relay: whom to ask, what it answers itself, and whose answers are put into which set. */
function dnsLines({ dns }: PrivateNetwork, known: readonly Peer[], names: NameSets): string {
  const lines = [
    ...(dns === 'host' ? [] : dns.map((server) => `server ${server}`)),
    ...known.flatMap(({ name, addresses }) => addresses.map((address) => `name ${name} ${address}`)),
    ...names.lines(),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function publishLine(
  { protocol, address, first, own, count, inside }: PublishedPorts,
  pool: PortPool | null,
  index: number,
): string {
  const start = own ? shareIn(pool, index, 'publish_pool').first + first : first;
  const to = inside ?? start;
  return `${protocol} ${address} ${start}-${start + count - 1} ${to}-${to + count - 1}`;
}

function shareIn(pool: PortPool | null, index: number, key: string): { first: number; last: number } {
  const share = pool === null ? undefined : shareOf(pool, index);
  if (share !== undefined) return share;
  throw new DockershError('E_PORT', {
    what: 'a user has no ports of their own on this host',
    why: pool === null ? `${key} in [host] is none` : `${key} in [host] has no more than others have`,
    hint: `Give a larger ${key}.`,
  });
}

/** On every address: a client of mosh uses the one that it reached sshd at. */
function moshLines({ mosh }: PrivateNetwork, pool: PortPool | null, link: SandboxLink): string[] {
  if (mosh === null) return [];
  const range = mosh.kind === 'range' ? mosh : shareIn(pool, link.index, 'mosh_pool');
  const ports = `${range.first}-${range.last}`;
  const addresses = link.addresses.length > 1 ? ['0.0.0.0', '::'] : ['0.0.0.0'];
  return addresses.map((address) => `udp ${address} ${ports} ${ports}`);
}
