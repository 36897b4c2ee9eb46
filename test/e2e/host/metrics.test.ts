// Metrics as Prometheus reads them: on the socket and at an address, right after logins, clean, and for nobody else.

import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import { control } from '../../fixtures/machine.ts';
import { Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'], policy: { defaults: { image: 'host', linger: '10m' } } });

const socketOf = (): string => join(world().host.runFolder, 'metrics.sock');
const scrape = async (...args: string[]): Promise<string> =>
  await runOk('curl', ['-sS', '--fail', '--unix-socket', socketOf(), ...args, 'http://localhost/metrics']);

/** The value of one series, as it is written. */
function sample(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe.skipIf(control)('metrics', () => {
  it('count logins, refusals, ends and sandboxes, and say what each user uses', async () => {
    const login = world().login('shell');
    const { user, host } = login;
    const before = await scrape();
    const rise = async (series: string): Promise<number> =>
      (sample(await scrape(), series) ?? 0) - (sample(before, series) ?? 0);
    await login.ssh('head -c 30000000 /dev/zero | md5sum >/dev/null');
    await login.ssh('exit 3');
    await host.setPolicy({ defaults: { image: 'host', linger: '10m', maintenance: 'closed' } });
    await login.ssh('true');
    await host.setPolicy({ defaults: { image: 'host', linger: '10m' } });
    await waitUntil(
      async () => (await rise('dockersh_sessions_ended_total{cause="exit"}')) === 2,
      'the ends',
    );
    expect(await rise('dockersh_logins_total{kind="cold"}')).toBe(1);
    expect(await rise('dockersh_logins_total{kind="warm"}')).toBe(1);
    expect(await rise('dockersh_logins_refused_total{code="E_MAINTENANCE"}')).toBe(1);
    expect(await rise('dockersh_sandboxes_started_total')).toBe(1);
    const text = await scrape();
    expect(sample(text, 'dockersh_sandbox_start_seconds_count')).toBeGreaterThan(0);
    expect(sample(text, 'dockersh_login_seconds_bucket{le="30",kind="cold"}')).toBeGreaterThan(0);
    expect(sample(text, 'dockersh_sandboxes')).toBe(1);
    const whose = `{user="${user.name}"}`;
    expect(sample(text, `dockersh_sandbox_memory_bytes${whose}`)).toBeGreaterThan(100_000);
    expect(sample(text, `dockersh_sandbox_processes${whose}`)).toBeGreaterThanOrEqual(0);
    expect(sample(text, 'dockersh_state_free_bytes')).toBeGreaterThan(0);
    await using _ = login.start('while :; do :; done');
    const cpu = async (): Promise<number> =>
      sample(await scrape(), `dockersh_sandbox_cpu_seconds_total${whose}`) ?? 0;
    await waitUntil(async () => (await cpu()) > 0, 'processor time');
    await host.ctlOk('stop', user.name);
    const after = await scrape();
    expect(after).not.toContain(whose);
    expect(sample(after, 'dockersh_sandboxes_ended_total{cause="stopped"}')).toBe(1);
  });

  it('are clean in both formats, and nothing else is served', async () => {
    await world().login('shell').ssh('true');
    const { code, stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: await scrape() });
    expect([code, stdout.toString(), stderr.toString()]).toEqual([0, '', '']);
    const open = await scrape('-H', 'Accept: application/openmetrics-text; version=1.0.0');
    expect(open).toMatch(/# EOF\n$/);
    expect(open).toContain('# TYPE dockersh_logins counter\n');
    expect(
      (await run('curl', ['-sS', '--fail', '--unix-socket', socketOf(), 'http://localhost/'])).code,
    ).toBe(22);
    const posted = await run('curl', [
      '-sS',
      '--fail',
      '-d',
      'x',
      '--unix-socket',
      socketOf(),
      'http://localhost/metrics',
    ]);
    expect(posted.code).toBe(22);
    expect((await stat(socketOf())).mode & 0o777).toBe(0o600);
  });

  it('are scraped by Prometheus where the policy names an address, at once and no longer than it does', async () => {
    const { host } = world();
    const [port, own] = [await freePort(), await freePort()];
    const policy = (metrics: string): string =>
      `[host]\nmetrics = ${metrics}\n[defaults]\nimage = host\nlinger = 10m\n`;
    await host.setPolicy(policy(`127.0.0.1:${port}`));
    const curl = async (): Promise<number | null> =>
      (await run('curl', ['-sS', '--fail', '-o', '/dev/null', `http://127.0.0.1:${port}/metrics`])).code;
    await waitUntil(async () => (await curl()) === 0, 'the address', 20_000);
    const folder = join(host.folder, 'prometheus');
    await mkdir(folder);
    await chmod(folder, 0o755);
    const config = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'dockersh', static_configs: [{ targets: [`127.0.0.1:${port}`] }] }],
    };
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    await using prometheus = new Running('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${own}`,
    ]);
    const answer = async (): Promise<string> =>
      (
        await run('curl', ['-sS', `http://127.0.0.1:${own}/api/v1/query?query=dockersh_build_info`])
      ).stdout.toString();
    await waitUntil(
      async () => (await answer()).includes('"version"'),
      'a scrape',
      30_000,
      () => prometheus.stderr.toString(),
    );
    await host.setPolicy(policy('none'));
    await waitUntil(async () => (await curl()) === 7, 'nobody at the address', 20_000);
  });
});
