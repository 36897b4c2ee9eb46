// The keys that are about the network of a sandbox. Pure.

import type { KeySpec } from '../section-schema.ts';
import { numberOfThings, oneOf, sizeLimit, wholeNumber } from '../values/basic.ts';
import { nameServers, networkNames, openRuleList, ruleList } from '../values/network.ts';
import { hostAddress, moshPorts, publishList } from '../values/ports.ts';

const targets =
  'a list of TARGET, TARGET:PORT, TARGET:PORT-PORT, each also with /tcp, /udp or /icmp behind it, or none';

export const networkKeys = {
  network: {
    type: oneOf('private', 'none', 'host'),
    defaultText: 'private',
    values: 'private, none, host',
    applies: 'sandbox',
    doc: "private: a network of the sandbox's own, with a way out that the keys below decide (docs/network.md). none: a loopback of the sandbox's own and no other way out. host: the host's network, its loopback services included. An installation from before private networks has none until a section says otherwise. Where this host cannot make a private network, logins are refused, or with \"strict = no\" go on without one.",
    example: 'none',
  },
  allow_out: {
    type: ruleList,
    defaultText: 'none',
    values: targets,
    applies: 'now',
    list: true,
    doc: 'What a private network reaches outside. none: everything that is not closed by itself ("open_out") and not denied ("deny_out"). With any entry: only what an entry names. A TARGET is an address, a block such as 192.0.2.0/24, a host name, *.example.org for all names below example.org, host for every address of this host, or any; an address of IPv6 with a port is written [2001:db8::1]:443. A port without a protocol means TCP and UDP. A name stands for the addresses that the name servers give inside, from the moment they give them. An entry opens nothing that is closed by itself.',
    example: 'deb.debian.org:80/tcp *.pypi.org:443 192.0.2.0/24',
  },
  deny_out: {
    type: ruleList,
    defaultText: 'none',
    values: targets,
    applies: 'now',
    list: true,
    doc: 'What a private network never reaches, written as in "allow_out". It beats "allow_out" and "open_out", whichever section they stand in. "any" leaves only what is inside.',
    example: '10.0.0.0/8 any:25/tcp',
  },
  open_out: {
    type: openRuleList,
    defaultText: 'none',
    values: targets,
    applies: 'now',
    list: true,
    doc: 'What a private network reaches of that which is closed by itself: this host\'s own addresses and the networks of its own bridges (of containers, of virtual machines), other sandboxes, link-local addresses, and those where clouds keep the machine\'s credentials (169.254.169.254, fd00:ec2::254, fd20:ce::254, 168.63.129.16, 100.100.100.200 and others). Written as in "allow_out", without names and any. It needs no entry in "allow_out" as well.',
    example: 'host:5432/tcp',
  },
  dns: {
    type: nameServers,
    defaultText: 'host',
    values: 'host, or a list of addresses',
    applies: 'now',
    list: true,
    doc: 'The name servers that a private network asks. host: those that this host asks, whatever they are.',
    example: '192.0.2.53 2001:db8::53',
  },
  publish: {
    type: publishList,
    defaultText: 'none',
    values: 'a list of [ADDRESS:]PORT[:PORT INSIDE][/udp], or none',
    applies: 'now',
    list: true,
    user: 'ports',
    doc: 'Ports of this host that lead into the sandbox\'s private network, to its loopback: 8080:80 is port 8080 of the host and 80 inside; 8000-8009 are ten, the same inside; 8000-8009:9000 are ten from 9000 on. TCP, with /udp UDP. They are bound at ADDRESS, or else at "publish_address". +N is a port of the user\'s own: the first of them is +0, how many there are says "publish_pool" in [host], so that one line serves everybody. Users who may set this publish ports of their own at that address or the loopback one, and no others.',
    example: '+0:80 +1-4 127.0.0.1:5432:5432',
  },
  publish_address: {
    type: hostAddress,
    defaultText: '127.0.0.1',
    values: 'an address of this host, 0.0.0.0 or ::',
    applies: 'now',
    doc: 'Where entries of "publish" without an address are bound. With the default, only programs of the host itself reach them.',
    example: '0.0.0.0',
  },
  mosh_ports: {
    type: moshPorts,
    defaultText: 'none',
    values: 'pool, a range such as 60000-60010, or none',
    applies: 'now',
    doc: 'UDP ports of this host, at all its addresses, that lead to the same ports of the sandbox\'s private network, for mosh. pool: the user\'s share of "mosh_pool" in [host].',
    example: 'pool',
  },
  bandwidth_in: {
    type: sizeLimit(8 * 1024),
    defaultText: 'none',
    values: 'a size of at least 8K, or none',
    applies: 'now',
    user: 'most',
    doc: 'Bytes that may come into a private network each second: 1M is about 8 Mbit/s.',
    example: '10M',
  },
  bandwidth_out: {
    type: sizeLimit(8 * 1024),
    defaultText: 'none',
    values: 'a size of at least 8K, or none',
    applies: 'now',
    user: 'most',
    doc: 'Bytes that may leave a private network each second.',
    example: '2M',
  },
  connections: {
    type: numberOfThings(16),
    defaultText: '4096',
    values: 'a number of at least 16 such as 4096 or 16k, or none',
    applies: 'now',
    user: 'most',
    doc: 'Connections (and for UDP and ICMP, exchanges) that a private network may have at a time, as the kernel counts them. One more is refused. The host lets no address of a sandbox have more than 16,384.',
    example: '1000',
  },
  new_connections: {
    type: wholeNumber(1, 1_000_000, 'none'),
    defaultText: '1000',
    values: 'a whole number of at least 1, or none',
    applies: 'now',
    user: 'most',
    doc: 'Connections that a private network may begin each second.',
    example: '100',
  },
  networks: {
    type: networkNames,
    defaultText: 'none',
    values: 'a list of names, or none',
    applies: 'now',
    list: true,
    doc: 'Shared networks that a private network is in. Sandboxes that have one in common reach each other, by the names of their users as well.',
    example: 'course101',
  },
} as const satisfies Record<string, KeySpec>;
