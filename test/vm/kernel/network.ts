// Private networks on Debian's own kernels, whose nf_tables, veth and connection tracking are modules that are loaded with the
// first of them. The internet is a network namespace of the machine's.

import { beforeAll, describe, expect, it } from 'vitest';
import { describeFinished } from '../../fixtures/process.ts';
import { type OnKernel, testMs } from './on-kernel.ts';

const host = { v4: '198.51.100.2', v6: '2001:db8:1::2' } as const;
const far = { v4: '203.0.113.7', v6: '2001:db8:7::7' } as const;
const gateway = { v4: '198.51.100.1', v6: '2001:db8:1::1' } as const;

/** Says whom it sees, by both families. */
const server = (port: number): string => `perl -MIO::Socket::IP -e '
  my $server = IO::Socket::IP->new(LocalHost => "::", LocalPort => ${port}, Listen => 9, ReuseAddr => 1, V6Only => 0) or die $@;
  $| = 1; print "ready\\n"; while (my $one = $server->accept) { print $one "from ", $one->peerhost, "\\n"; close $one }'`;

const internet = `ip netns add internet
  ip link add out0 type veth peer name in0 netns internet
  in="ip -n internet"; $in link set lo up; $in link set in0 up; ip link set out0 up
  $in address add ${gateway.v4}/24 dev in0; $in address add ${far.v4}/32 dev lo
  $in address add ${gateway.v6}/64 dev in0 nodad; $in address add ${far.v6}/128 dev lo nodad
  ip address add ${host.v4}/24 dev out0; ip address add ${host.v6}/64 dev out0 nodad
  ip route add default via ${gateway.v4} metric 5000; ip -6 route add default via ${gateway.v6} metric 5000
  ip route add ${far.v4} via ${gateway.v4}; ip -6 route add ${far.v6} via ${gateway.v6}
  ip netns exec internet dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --host-record=far.example,${far.v4},${far.v6}
  rm -f /etc/resolv.conf; echo 'nameserver ${gateway.v4}' >/etc/resolv.conf
  (ip netns exec internet ${server(7007)} & ${server(7007)} &) >/dev/null 2>&1 </dev/null`;

/** Without the seconds that are left of what a router has advertised. */
const defaultRoutes = `{ ip -4 route show default; ip -6 route show default; } | sed 's/ expires [0-9]*sec//'`;

/** What each of these says, or why it does not. */
const reach = (...addresses: string[]): string =>
  `for to in ${addresses.join(' ')}; do nc -vw 9 $to 7007 2>&1 </dev/null | sed -n 's/^from //p; s/.*(tcp) failed: //p'; done`;
const out = reach(far.v4, far.v6, 'far.example', host.v4, host.v6, '169.254.169.254');
const asItShouldBe = [
  `::ffff:${host.v4}`,
  host.v6,
  expect.stringMatching(/^(::ffff:198\.51\.100\.2|2001:db8:1::2)$/),
  ...['Connection refused', 'Connection refused', 'Connection refused'],
];

export function networkTests(on: OnKernel): void {
  describe('private networks', () => {
    let routes = '';
    const tried = async (): Promise<string[]> => (await on.inside('user17', out)).trim().split('\n');

    beforeAll(async () => {
      // As at boot, where its service is not masked.
      await on.root(
        `awk '/^abi/; /^profile dockersh-relay/, /^}/' /etc/apparmor.d/dockersh-layer | apparmor_parser --replace --skip-cache`,
      );
      await on.root(internet);
      routes = await on.root(defaultRoutes);
      await on.policy({ user17: { network: 'private', publish: '127.0.0.1:8080:7008' } });
      await on.root('dockershctl stop user17 || :');
      // The first private network brings the relay and the host's rules, for those who begin further down.
      await on.inside('user17', 'true');
    }, testMs);

    it(
      'get out by both families, find names, and reach neither the host nor credentials',
      async () => {
        expect(await tried()).toEqual(asItShouldBe);
        // The supervisor tells the daemon of it now and then.
        const told = `dockershctl network refused user17 | grep -F ${host.v4}`;
        expect(await on.root(`for i in $(seq 60); do ${told} && exit; sleep 0.5; done`)).toContain(host.v4);
        // A kernel without force_forwarding forwards for all; what a router has advertised is still there.
        expect(await on.root(defaultRoutes)).toBe(routes);
      },
      testMs,
    );

    it(
      'have names by a relay that its AppArmor profile confines',
      async () => {
        const label = 'cat /proc/$(pgrep -x dockersh-relay)/attr/apparmor/current';
        expect(await on.root(label)).toBe('dockersh-relay (enforce)\n');
        expect(await on.inside('user17', 'getent ahostsv4 far.example')).toContain(far.v4);
        await on.root("echo 'nameserver 192.0.2.1' >/etc/resolv.conf");
        // The relay reads the file when it has been still for a moment, which an emulated processor may stretch.
        const asks = 'RES_OPTIONS="timeout:1 attempts:1" getent hosts far.example >/dev/null';
        await on.inside(
          'user17',
          `for i in $(seq 40); do ${asks}; [ $? = 2 ] && exit; sleep 0.5; done; exit 1`,
        );
        await on.root(`echo 'nameserver ${gateway.v4}' >/etc/.new; mv /etc/.new /etc/resolv.conf`);
        // A question that was under way when the file changed may be lost.
        const asked = `for i in $(seq 20); do getent hosts far.example | grep -F ${far.v6} && break; sleep 0.5; done`;
        expect(await on.inside('user17', asked)).toContain(far.v6);
      },
      testMs,
    );

    it(
      'publish ports of the host',
      async () => {
        await using _server = await on.start('user17', server(7008), 'ready\n');
        expect(await on.root('nc -w 9 127.0.0.1 8080 </dev/null')).toMatch(/^from .*127\.0\.0\.1\n$/);
      },
      testMs,
    );

    it(
      'are closed and get out again when somebody has taken the host’s rules away, with and without a daemon',
      async () => {
        const back = `for try in $(seq 100); do nft list table inet dockersh >/dev/null 2>&1 && exit; sleep 0.2; done; exit 1`;
        await on.root(`nft flush ruleset; ${back}`);
        expect(await tried()).toEqual(asItShouldBe);
        await on.root(`systemctl kill --signal=KILL --kill-whom=main dockershd.service; nft flush ruleset`);
        const meanwhile = await on.as('user17', reach(host.v4, host.v6));
        expect(meanwhile.stdout.toString(), describeFinished(meanwhile)).toBe(
          'Connection refused\n'.repeat(2),
        );
        await on.root(back);
        expect(await tried()).toEqual(asItShouldBe);
        await on.root('dockershctl stop user17');
      },
      testMs,
    );
  });
}
