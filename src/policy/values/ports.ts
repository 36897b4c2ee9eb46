// Parses the values of the keys about ports of the host that lead into sandboxes. Pure.

import { parseAddress } from '../../lib/network/address.ts';
import type { MoshPorts, PortPool } from '../../lib/network/network.ts';
import { type Check, text } from './basic.ts';
import { portRange, wordsOf } from './network.ts';

/** An entry of "publish" as written; `address` is undefined where "publish_address" says it. */
export interface PublishEntry {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string | undefined;
  readonly first: number;
  readonly own: boolean;
  readonly count: number;
  readonly inside: number | null;
}

const mostEntries = 32;
/** Of all entries together: each is a socket of the host. */
const mostPorts = 256;
const form =
  "[ADDRESS:]PORT[:PORT INSIDE], with ranges such as 8000-8009, +N for the user's own ports, and /udp at the end";

const wrong = (item: string, what: string) =>
  ({ ok: false, problem: `has "${item}", which ${what}` }) as const;

/** "8080", "8000-8009"; "+0", "+0-4" for the user's own. */
function hostPorts(written: string): { first: number; last: number; own: boolean } | undefined {
  const own = /^\+(\d{1,4})(?:-(\d{1,4}))?$/.exec(written);
  if (own !== null) {
    const [first, last] = [Number(own[1]), Number(own[2] ?? own[1])];
    return first <= last ? { first, last, own: true } : undefined;
  }
  const range = portRange(written);
  return range === undefined ? undefined : { ...range, own: false };
}

/** The address before the ports, which for IPv6 is in brackets. */
function splitAddress(written: string): { address: string | undefined; ports: string[] } | undefined {
  const bracketed = /^\[([^\]]*)\]:(.*)$/s.exec(written);
  const [first = '', ...rest] = (bracketed?.[2] ?? written).split(':');
  if (bracketed !== null) {
    const address = parseAddress(bracketed[1] ?? '');
    return address?.family === 6 ? { address: address.address, ports: [first, ...rest] } : undefined;
  }
  if (!first.includes('.')) return { address: undefined, ports: [first, ...rest] };
  const address = parseAddress(first);
  return address === undefined ? undefined : { address: address.address, ports: rest };
}

export function publishEntry(item: string): Check<PublishEntry> {
  const [, written = '', , named] = /^(.*?)(\/([a-z]+))?$/s.exec(item) ?? [];
  if (named !== undefined && named !== 'tcp' && named !== 'udp')
    return wrong(item, `ends in "/${named}", which is neither /tcp nor /udp`);
  const split = splitAddress(written);
  const [outside = '', inside, ...more] = split?.ports ?? [];
  const host = hostPorts(outside);
  if (split === undefined || host === undefined || more.length > 0)
    return wrong(item, `is not of the form ${form}`);
  const count = host.last - host.first + 1;
  const within = inside === undefined ? undefined : portRange(inside);
  if (inside !== undefined && within === undefined)
    return wrong(item, `has the port "${inside}" inside, which is no number from 1 to 65535 and no range`);
  // 8000-8009:9000 says where the ten begin, 8000-8009:9000-9009 where they end as well.
  const many = within === undefined ? count : within.last - within.first + 1;
  if (many !== count && (many !== 1 || (within?.first ?? 0) + count - 1 > 65_535))
    return wrong(item, `has ${count} ports of the host and ${many} inside`);
  const { first, own } = host;
  return {
    ok: true,
    value: {
      protocol: named ?? 'tcp',
      address: split.address,
      first,
      own,
      count,
      inside: within?.first ?? null,
    },
  };
}

/** Whether two entries want one port of one address, as far as that is known without addresses of their own. */
function collide(one: PublishEntry, other: PublishEntry): boolean {
  return (
    one.protocol === other.protocol &&
    one.own === other.own &&
    one.address === other.address &&
    one.first < other.first + other.count &&
    other.first < one.first + one.count
  );
}

/** Published ports with blanks or commas between; "none" for an empty list. */
export const publishList = text<readonly PublishEntry[]>((input) => {
  if (input === 'none') return { ok: true, value: [] };
  const entries: PublishEntry[] = [];
  for (const item of wordsOf(input)) {
    const entry = publishEntry(item);
    if (!entry.ok) return entry;
    if (entries.some((one) => collide(one, entry.value)))
      return wrong(item, 'has a port of the host that another entry has as well');
    entries.push(entry.value);
  }
  if (entries.length === 0) return { ok: false, problem: 'is not a list of ports, or none' };
  if (entries.length > mostEntries) return { ok: false, problem: `has more than ${mostEntries} entries` };
  const ports = entries.reduce((sum, { count }) => sum + count, 0);
  if (ports > mostPorts) return { ok: false, problem: `publishes ${ports} ports: at most ${mostPorts}` };
  return { ok: true, value: entries };
});

/** An address of the host. */
export const hostAddress = text<string>((input) => {
  const address = parseAddress(input);
  return address === undefined
    ? { ok: false, problem: 'is no address such as 127.0.0.1, 0.0.0.0 for all of IPv4 or :: for all of IPv6' }
    : { ok: true, value: address.address };
});

/** Where metrics are served. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** "none" is null; else "127.0.0.1:9480", "[::1]:9480". */
export const metricsAddress = text<MetricsAddress | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  const { address, ports } = splitAddress(input) ?? { address: undefined, ports: [] };
  const [range] = ports.map(portRange);
  if (address === undefined || ports.length !== 1 || range === undefined || range.first !== range.last)
    return { ok: false, problem: 'is no address and port such as 127.0.0.1:9480' };
  return { ok: true, value: { host: address, port: range.first } };
});

const mostMosh = 64;

/** "none" is null; "pool" for the user's share of "mosh_pool"; or a range of ports. */
export const moshPorts = text<MoshPorts | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  if (input === 'pool') return { ok: true, value: { kind: 'own' } };
  const range = portRange(input);
  if (range === undefined)
    return { ok: false, problem: 'is neither pool nor a range of ports such as 60000-60010, nor none' };
  if (range.last - range.first >= mostMosh)
    return { ok: false, problem: `is too much: at most ${mostMosh} ports` };
  return { ok: true, value: { kind: 'range', ...range } };
});

/** "20000-29999/10": a range, and how many of it each user has; "none" is null. */
export const portPool = text<PortPool | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  const [, written = '', share = ''] = /^([\d-]+)\/(\d{1,3})$/.exec(input) ?? [];
  const range = portRange(written);
  const each = Number(share);
  if (range === undefined || share === '')
    return {
      ok: false,
      problem: 'is not a range of ports and how many of it each user has, such as 20000-29999/10, or none',
    };
  if (range.first < 1024)
    return { ok: false, problem: 'begins below 1024, where the services of the host are' };
  if (each < 1 || each > mostPorts)
    return { ok: false, problem: `gives each user ${each} ports: from 1 to ${mostPorts}` };
  if (range.last - range.first + 1 < each)
    return { ok: false, problem: 'has fewer ports than one user gets' };
  return { ok: true, value: { ...range, each } };
});
