// Tests of what dockershctl shows of private networks, against a real socket.

import { describe, expect, it } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import { explain } from '../../../src/policy/explain.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import type { AdminNetwork, AdminRefusal, AdminResult } from '../../../src/protocol/admin.ts';
import { cli, FakeDaemon } from './fake-daemon.ts';

const ada: AdminNetwork = {
  uid: Uid.parse(1000),
  user: 'ada',
  link: 'dshrs-ab12',
  address4: '10.213.0.2',
  address6: 'fd00:1::2',
  networks: ['course101'],
  published: [
    { protocol: 'tcp', address: '127.0.0.1', first: 8080, last: 8080, inside: 80 },
    { protocol: 'udp', address: '::', first: 61_000, last: 61_003, inside: 61_000 },
  ],
  missing: [],
  bytesIn: 1_500_000,
  bytesOut: null,
  packetsIn: 1200,
  packetsOut: null,
};
const refusal = (address: string, port: number, protocol = 'tcp'): AdminRefusal => ({
  uid: Uid.parse(1000),
  user: 'ada',
  protocol,
  address,
  port,
  count: 3,
  lastAt: new Date(Date.now() - 90_000).toISOString(),
});
const nothing: AdminResult<'network'> = {
  default: 'private',
  pools: [],
  bridged: [],
  lacks: [],
  users: [],
  refused: [],
};

async function ask(network: Partial<AdminResult<'network'>>, policy: string, args: readonly string[]) {
  await using daemon = await FakeDaemon.start((request, socket) => {
    const result = request.verb === 'network' ? { ...nothing, ...network } : explanation(policy);
    socket.end(`${JSON.stringify({ ok: true, result })}\n`);
  });
  return await cli(['--socket', daemon.socketPath, ...args]);
}

function explanation(text: string): unknown {
  const { policy, problems } = parsePolicy(`[defaults]\nimage = host\n${text}`, '/etc/p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  const keys = explain(policy, { name: 'ada', uid: 1000, groups: [], host: 'box' });
  return { user: 'ada', account: true, groups: [], policyFault: null, refused: null, problems: [], keys };
}

describe('network ls', () => {
  it('lists addresses, traffic and published ports', async () => {
    const { stdout, status } = await ask({ users: [ada] }, '', ['network', 'ls']);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'USER  ADDRESS               LINK          IN  OUT  NETWORKS   PUBLISHED',
      'ada   10.213.0.2 fd00:1::2  dshrs-ab12  1.4M    -  course101  127.0.0.1:8080:80 [::]:61000-61003:61000-61003/udp',
      '',
    ]);
  });

  it('names ports that somebody else has', async () => {
    const missing = [{ protocol: 'udp', address: '::', port: 61_001, why: 'Address in use' }] as const;
    const { stdout } = await ask({ users: [{ ...ada, missing: [...missing] }] }, '', ['network', 'ls']);
    expect(stdout).toMatch(/^Attention: ada does not have the port \[::\]:61001\/udp: Address in use\n/);
    expect(stdout).toContain('61000-61003/udp (without [::]:61001/udp)\n');
  });

  it('says what private networks lack', async () => {
    const { stdout } = await ask({ lacks: ['no IPv6: eth0 would lose its default route'] }, '', [
      'network',
      'ls',
    ]);
    expect(stdout).toMatch(/^Attention: no IPv6: eth0 would lose its default route\n/);
  });
});

describe('network refused', () => {
  it('names what of the policy would let it pass', async () => {
    const policy = 'network = private\nallow_out = any:443/tcp\ndeny_out = 192.0.2.0/24\n';
    const refused = [
      refusal('198.51.100.7', 22),
      refusal('2001:db8::1', 53, 'udp'),
      refusal('192.0.2.9', 443),
      refusal('169.254.169.254', 80),
      refusal('10.213.0.9', 0, 'icmp'),
      refusal('198.51.100.7', 443),
    ];
    const { stdout } = await ask({ refused, pools: ['10.213.0.0/16'] }, policy, [
      'network',
      'refused',
      'ada',
    ]);
    const rows = stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '));
    expect(rows).toEqual([
      'USER | TO | PACKETS | LAST | WOULD PASS WITH',
      'ada | 198.51.100.7:22/tcp | 3 | 1 minute ago | allow_out += 198.51.100.7:22/tcp',
      'ada | [2001:db8::1]:53/udp | 3 | 1 minute ago | allow_out += [2001:db8::1]:53/udp',
      'ada | 192.0.2.9:443/tcp | 3 | 1 minute ago | deny_out without 192.0.2.0/24 (/etc/p.ini:5)',
      'ada | 169.254.169.254:80/tcp | 3 | 1 minute ago | open_out += 169.254.169.254:80/tcp',
      'ada | 10.213.0.9/icmp | 3 | 1 minute ago | open_out += 10.213.0.9/icmp',
      'ada | 198.51.100.7:443/tcp | 3 | 1 minute ago | a higher connections or new_connections',
      '',
    ]);
  });

  it('of somebody else is not shown', async () => {
    const { stdout } = await ask({ refused: [refusal('192.0.2.1', 1)] }, '', [
      '--json',
      'network',
      'refused',
      'bob',
    ]);
    expect(JSON.parse(stdout)).toEqual({ refused: [] });
  });
});

describe('policy explain --to', () => {
  const policy =
    'network = private\nallow_out = any:443/tcp localhost.test\n[user:ada]\nallow_out += 192.0.2.0/24:80\ndeny_out = any:25\n';
  const to = async (where: string, text = policy) =>
    await ask({ pools: ['10.213.0.0/16'], bridged: ['172.17.0.0/16'] }, text, [
      'policy',
      'explain',
      'ada',
      '--to',
      where,
    ]);

  it.each([
    [
      '192.0.2.7:80/tcp',
      'ada reaches 192.0.2.7:80/tcp, tcp 80: allow_out: 192.0.2.0/24:80  /etc/p.ini:6 [user:ada]\n',
    ],
    [
      '192.0.2.7:25/tcp',
      'ada is refused 192.0.2.7:25/tcp, tcp 25: deny_out: any:25  /etc/p.ini:7 [user:ada]\n',
    ],
    [
      '192.0.2.7:22/tcp',
      'ada is refused 192.0.2.7:22/tcp, tcp 22: no entry of allow_out fits  /etc/p.ini:4, /etc/p.ini:6\n',
    ],
    [
      '10.213.0.7:443/tcp',
      "ada is refused 10.213.0.7:443/tcp, tcp 443: it is another sandbox's address, which is closed by itself; only open_out opens it\n",
    ],
    [
      '172.17.0.2:443/tcp',
      "ada is refused 172.17.0.2:443/tcp, tcp 443: it is in a network of this host's own, of containers or virtual machines, which is closed by itself; only open_out opens it\n",
    ],
  ])('%s', async (where, text) => {
    expect((await to(where)).stdout).toBe(text);
  });

  it('of another kind of network says that', async () => {
    expect((await to('192.0.2.7:80', 'network = none\n')).stdout).toBe(
      'ada reaches nothing: network = none\n',
    );
    expect((await to('192.0.2.7:80', 'network = host\n')).stdout).toBe(
      'ada reaches 192.0.2.7:80 as this host does: network = host\n',
    );
  });

  it.each(['any:80', '10.0.0.0/8', '*.example.org', 'host:22', '192.0.2.7:0', ''])(
    '"%s" is refused',
    async (where) => {
      const { status, stderr } = await to(where);
      expect(status).toBe(64);
      expect(stderr).toContain(`--to ${where}: it`);
    },
  );

  it('of a name that leads nowhere tells what rules for the name say', async () => {
    const { stdout } = await to('localhost.test:22/tcp');
    expect(stdout).toContain(
      'ada reaches localhost.test:22/tcp, tcp 22: allow_out: localhost.test  /etc/p.ini:4 [defaults]',
    );
  });
});
