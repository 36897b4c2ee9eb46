// Compares metrics with what the dashboard asks for, and looks for users who have gone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../../src/daemon/metrics/metrics.ts';
import type { Counts } from '../../../../src/daemon/stats.ts';
import { Uid } from '../../../../src/lib/values/uid.ts';

const sandbox = (user: string) =>
  ({
    ...{
      uid: Uid.parse(1000),
      user,
      sessions: 1,
      memoryBytes: 1,
      swapBytes: 0,
      memoryLimitBytes: 2,
      pids: 3,
    },
    ...{ cpuUsec: 2_500_000, disk: { bytes: 4, limitBytes: null, inodes: 1, inodesLimit: null } },
    network: { bytesIn: 5, bytesOut: 6, packetsIn: 1, packetsOut: 1 },
  }) as unknown as Counts;

function metricsOf(users: () => readonly string[]): Metrics {
  const metrics = new Metrics();
  metrics.standing = {
    sandboxes: async () => users().map(sandbox),
    connections: () => 0,
    withoutRoom: () => 0,
    gateway: async () => null,
    images: async () => 1,
    space: async () => ({ bytes: 10, free: 9 }),
  };
  return metrics;
}

describe('metrics', () => {
  it('have everything that the dashboard asks for', async () => {
    const metrics = metricsOf(() => ['ada']);
    metrics.loggedIn('warm', 3_000_000n);
    const { body } = await metrics.text(false);
    const dashboard = readFileSync(
      join(import.meta.dirname, '../../../../docs/grafana-dashboard.json'),
      'utf8',
    );
    const asked = [...new Set(dashboard.match(/dockersh_\w+/g))];
    expect(asked.length).toBeGreaterThan(10);
    const names = new Set(body.match(/(?<=^# TYPE )\w+/gm));
    expect(asked.filter((name) => !names.has(name.replace(/_bucket$/, '')))).toEqual([]);
  });

  it('say of each user what they use now, and nothing of who has none', async () => {
    let users = ['ada', 'b"ob\n'];
    const metrics = metricsOf(() => users);
    await metrics.text(false);
    const { body } = await metrics.text(false); // nothing is counted twice
    expect(body).toContain('dockersh_sandbox_cpu_seconds_total{user="ada"} 2.5\n');
    expect(body).toContain('dockersh_sandbox_network_sent_bytes_total{user="b\\"ob\\n"} 6\n');
    users = ['ada'];
    expect((await metrics.text(false)).body).not.toContain('ob');
  });
});
