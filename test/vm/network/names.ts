// Names by systemd-resolved: its stub on the loopback, servers of single domains, and what becomes of lookups inside when it
// is restarted.

import { beforeAll, describe, expect, it } from 'vitest';
import { addresses, peerPort } from '../../fixtures/network/internet.ts';
import { type Running, waitUntil } from '../../fixtures/process.ts';
import { corp, type Lan } from './lan.ts';

const { host, gateway, far } = addresses;

export function nameTests(get: () => { lan: Lan; neighbour: string }): void {
  describe('systemd-resolved', () => {
    let lan: Lan;
    let neighbour: string;
    let servers: { internet: Running; corp: Running };
    beforeAll(async () => {
      ({ lan, neighbour } = get());
      servers = {
        internet: await lan.serve(
          gateway.v4,
          `--host-record=far.example,${far.v4},${far.v6}`,
          '--host-record=near.lab.example,203.0.113.77',
          ...Array.from({ length: 100 }, (_, index) => `--host-record=many.example,192.0.2.${index + 1}`),
        ),
        corp: await lan.serve(corp.server, `--host-record=git.corp.example,${corp.server}`),
      };
    });

    it('answers sandboxes through its stub, with its search list and options', async () => {
      expect(await lan.guest.enterOk('readlink /etc/resolv.conf')).toContain('stub-resolv.conf');
      const inside = await lan.inside('ada', 'cat /etc/resolv.conf');
      expect(inside).toMatch(/^nameserver (?!127\.)\d[\d.]+$/m);
      expect(inside).toMatch(/^options edns0 trust-ad$/m);
      expect(inside).toMatch(/^search .*lab\.example/m);
      expect(await lan.inside('ada', 'getent ahostsv4 far.example')).toContain(far.v4);
      expect(await lan.inside('ada', 'getent ahostsv6 far.example')).toContain(far.v6);
      expect(await lan.inside('ada', 'getent hosts near')).toContain('203.0.113.77');
      expect((await lan.guest.ssh('ada', 'getent hosts nowhere.example')).code).toBe(2);
    });

    it('answers by TCP as well, what is too long for UDP among it', async () => {
      expect(await lan.inside('ada', 'RES_OPTIONS=use-vc getent ahostsv4 far.example')).toContain(far.v4);
      const many = await lan.inside('ada', 'getent ahostsv4 many.example');
      expect(new Set(many.match(/192\.0\.2\.\d+/g)).size).toBe(100);
    });

    it('asks the servers of a domain for its names, and no others', async () => {
      expect(await lan.inside('ada', 'getent hosts git.corp.example')).toContain(corp.server);
      const asked = (server: Running, name: string): boolean =>
        server.stderr.toString().includes(`] ${name} from `);
      expect(asked(servers.corp, 'git.corp.example')).toBe(true);
      expect(asked(servers.internet, 'git.corp.example')).toBe(false);
      expect(asked(servers.internet, 'far.example')).toBe(true);
      expect(asked(servers.corp, 'far.example')).toBe(false);
    });

    it('restarts under a running sandbox, which waits for the answer', async () => {
      const asking = lan.inside(
        'ada',
        'for n in $(seq 40); do getent hosts far.example || exit; sleep 0.05; done; echo all',
      );
      for (const _ of [1, 2]) await lan.guest.enterOk('systemctl restart systemd-resolved.service');
      expect(await asking).toMatch(/all\n$/);
    });

    it('is followed when another file takes the place of /etc/resolv.conf, and back', async () => {
      const before = servers.internet.stderr.toString().length;
      const link = async (target: string): Promise<string> =>
        await lan.guest.enterOk(`ln -s ${target} /etc/.new; mv -T /etc/.new /etc/resolv.conf`);
      // With the servers themselves, which know nothing of domains: the first one is asked.
      await link('../run/systemd/resolve/resolv.conf');
      const asked = async (): Promise<boolean> => {
        await lan.guest.ssh('ada', 'getent hosts git.corp.example');
        return servers.internet.stderr.toString().slice(before).includes('] git.corp.example from ');
      };
      await waitUntil(asked, 'another server to be asked');
      await link('../run/systemd/resolve/stub-resolv.conf');
      const back = async (): Promise<boolean> =>
        (await lan.guest.ssh('ada', 'getent hosts git.corp.example')).code === 0;
      await waitUntil(back, 'systemd-resolved to be asked');
    });

    it('closes nothing and opens nothing: out by both families, and to nobody else', async () => {
      const open: string[] = [far.v4, far.v6, gateway.v4, gateway.v6];
      const closed = lan.closed(neighbour);
      const targets = [...open, ...closed].flatMap((address) =>
        (['tcp', 'udp'] as const).map((protocol) => ({ protocol, address, port: peerPort })),
      );
      const outcomes = await lan.probe('ada', targets);
      for (const [index, { protocol, address }] of targets.entries()) {
        const { result, seenAs } = outcomes[index] ?? {};
        const name = `${protocol} ${address}`;
        const refused = protocol === 'tcp' ? 'ECONNREFUSED' : 'EPERM';
        const from = address.includes(':') ? host.v6 : host.v4;
        const expected = open.includes(address) ? ['open', from] : [refused, undefined];
        expect([name, result, seenAs]).toEqual([name, ...expected]);
      }
    });

    it('and networks are as doctor wants them', async () => {
      const checks = await lan.doctor();
      for (const id of ['default', 'kernel', 'forward', 'pool', 'ipv6'])
        expect(checks[`network-${id}`], id).toMatchObject({ state: 'ok' });
    });
  });
}
