// Private networks beside packet filters: each keeps them from getting out until what doctor names has been run, and neither
// its reload nor its restart cuts a sandbox off for long, or opens anything.

import { beforeAll, describe, expect, it } from 'vitest';
import { addresses, peerPort } from '../../fixtures/network/internet.ts';
import { probeOutside } from '../../fixtures/network/probe.ts';
import { waitUntil } from '../../fixtures/process.ts';
import type { Lan } from './lan.ts';
import type { Watch } from './watch.ts';

const { host, far } = addresses;
const container = '172.17.0.2';
const bridge = '172.17.0.1';
const containerAnswers = `for try in $(seq 100); do
    [ "$(echo hello | nc -N -w 1 ${container} ${peerPort})" != hello ] || exit 0; sleep 0.1
  done; exit 1`;

/** How each is started, done again under running sandboxes, and stopped; and how a port of the host is opened there. */
const firewalls = {
  ufw: {
    start: 'systemctl start ufw.service; ufw --force enable',
    again: ['ufw reload', 'systemctl restart ufw.service'],
    stop: 'ufw --force disable; systemctl stop ufw.service',
    allow: 'ufw allow 20000:29999/tcp',
  },
  firewalld: {
    start: 'systemctl start firewalld.service',
    again: ['firewall-cmd --reload', 'firewall-cmd --complete-reload', 'systemctl restart firewalld.service'],
    stop: 'systemctl stop firewalld.service',
    allow: 'firewall-cmd --add-port=20000-29999/tcp --permanent; firewall-cmd --reload',
  },
  docker: {
    start: `systemctl start docker.service
      mkdir -p /tmp/box/bin; cp /bin/busybox /tmp/box/bin/; ln -sf busybox /tmp/box/bin/cat; tar -C /tmp/box -c . | docker import - box
      docker run -d --restart always --stop-signal KILL -p 7008:${peerPort} box /bin/busybox nc -ll -p ${peerPort} -e /bin/cat
      ${containerAnswers}`,
    again: [
      `systemctl restart docker.service; ${containerAnswers}`,
      // The host forwards already: Docker lets everything pass.
      `nft flush ruleset; systemctl restart docker.service; ${containerAnswers}`,
    ],
    stop: 'systemctl stop docker.service docker.socket; ip link delete docker0',
    allow: undefined,
  },
} as const;

export function firewallTests(get: () => { lan: Lan; neighbour: string }): void {
  let lan: Lan;
  let closed: string[];
  let published: number;
  const isOpen = async (): Promise<boolean> => {
    const [v4, v6] = await lan.probe('ada', [
      { protocol: 'tcp', address: far.v4 },
      { protocol: 'tcp', address: far.v6 },
    ]);
    return v4?.result === 'open' && v6?.result === 'open';
  };
  const isPublished = async (): Promise<boolean> => {
    const [outcome] = await probeOutside(
      lan.internet,
      [{ protocol: 'tcp', address: host.v4, port: published }],
      0.5,
    );
    return outcome?.result === 'open';
  };

  beforeAll(async () => {
    const { neighbour, ...rest } = get();
    ({ lan } = rest);
    closed = lan.closed(neighbour, `${host.v4} 7008`, container, bridge);
    published = await lan.publishedBy('bob');
    expect(await isOpen()).toBe(true);
    expect(await isPublished()).toBe(true);
  });

  describe.each(Object.entries(firewalls))('%s', (whose, { start, again, stop, allow }) => {
    it('is in the way until what doctor names has been run', async () => {
      await lan.guest.enterOk(start);
      await waitUntil(async () => !(await isOpen()), `${whose} to be in the way`);
      const { state, found, fix } = (await lan.doctor())['network-forward'] ?? {};
      expect(state).toBe('critical');
      expect(found).toContain(`(${whose}) drops`);
      await lan.guest.enterOk(/^Run (.*); docs\/network\.md/.exec(fix ?? '')?.[1] ?? 'false');
      expect((await lan.doctor())['network-forward']).toMatchObject({ state: 'ok' });
      await waitUntil(isOpen, 'the way out');
    });

    if (allow !== undefined) {
      it('has to let in what is published', async () => {
        expect(await isPublished()).toBe(false);
        await lan.guest.enterOk(allow);
        await waitUntil(isPublished, 'the published port');
      });
    }

    it('opens nothing when it starts again, and cuts nobody off once it has', async () => {
      for (const command of again) {
        await using watch = await lan.watch('ada', closed);
        await lan.guest.enterOk(command); // it may close everything while it works
        await watch.count();
        await waitUntil(isOpen, 'the way out');
        await isKept(watch, command);
      }
      expect(await isOpen()).toBe(true);
    });

    if (whose === 'docker') {
      it('has containers that are reached where the policy opens them', async () => {
        const target = { protocol: 'tcp', address: container } as const;
        const result = async (): Promise<string | undefined> => (await lan.probe('ada', [target]))[0]?.result;
        expect(await result()).toBe('ECONNREFUSED');
        expect(
          await lan.guest.enterOk(`dockershctl policy explain ada --to ${container}:${peerPort}/tcp`),
        ).toContain("in a network of this host's own");
        await lan.guest.write(
          '/etc/dockersh/conf.d/ada.ini',
          `[user:ada]\nopen_out = ${container}:${peerPort}\n`,
        );
        // It echoes, but does not say whom it sees.
        await waitUntil(async () => (await result()) === 'strange', 'the container');
        await lan.guest.enterOk('rm /etc/dockersh/conf.d/ada.ini');
        await waitUntil(async () => (await result()) === 'ECONNREFUSED', 'the container to be closed');
      });
    }

    it('is taken away', async () => {
      await lan.guest.enterOk(stop);
      expect((await lan.doctor())['network-forward']).toMatchObject({ state: 'ok' });
    });
  });

  it.each([
    ['systemctl restart nftables.service', false],
    ['nft flush ruleset; nft flush ruleset', false],
    ['systemctl restart systemd-networkd.service', false],
    ['systemctl restart dockershd.service', false],
    // With nobody there to put the host's table back, what has come meanwhile was for the host.
    ['systemctl kill --signal=KILL --kill-whom=main dockershd.service; nft flush ruleset', true],
  ])('%s opens nothing and cuts nobody off', async (command, mayBreak) => {
    await using watch = await lan.watch('ada', closed);
    await lan.guest.enterOk(command);
    const back = async (): Promise<boolean> =>
      (await lan.guest.daemonAnswers()) &&
      (await lan.guest.enter('nft', ['list', 'table', 'inet', 'dockersh'])).code === 0 &&
      (await isOpen());
    await waitUntil(back, 'the way out');
    await isKept(watch, command, mayBreak);
  });
}

/** Nothing was opened, and nobody was without a way out for longer than a second, with another one for a busy machine. */
async function isKept(watch: Watch, command: string, mayBreak = false): Promise<void> {
  const seen = await watch.end();
  expect(seen.opened, command).toEqual([]);
  expect(seen.new, command).toBeLessThan(2);
  if (mayBreak) return;
  expect(seen.broke, command).toEqual([]);
  expect(seen.kept, command).toBeLessThan(2);
}
