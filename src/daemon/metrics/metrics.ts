// Counts what happens, and says with each question how things stand, as OpenMetrics or as Prometheus' text: logins, sandboxes,
// what each user uses.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { SandboxEnd, SandboxStart, SessionEnd } from '../../isolation/engine.ts';
import type { ConnectionEntry } from '../../lib/values/connection-entry.ts';
import { version } from '../../lib/version.ts';
import type { AdminGateway } from '../../protocol/admin.ts';
import type { Counts } from '../stats.ts';
import { GatewayMetrics } from './gateway.ts';

/** How things stand, asked once a question. */
export interface Standing {
  readonly sandboxes: () => Promise<readonly Counts[]>;
  readonly connections: () => number;
  /** Sessions that stand still for want of room. */
  readonly withoutRoom: () => number;
  readonly images: () => Promise<number>;
  readonly gateway: () => Promise<AdminGateway | null>;
  /** Of the file system that the state is on. */
  readonly space: () => Promise<{ readonly bytes: number; readonly free: number }>;
}

const seconds = (ns: bigint): number => Number(ns) / 1e9;

/** Around a warm login of 3 ms and a cold one of 8, up to what makes people ask. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

type PerUser = 'cpu' | 'oomKilled' | 'received' | 'sent';

export class Metrics {
  readonly #registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  /** Set as soon as the daemon has parts that can be asked. */
  standing: Standing | undefined;
  readonly #logins = this.#counter('dockersh_logins', 'Logins that became a session.', ['kind']);
  readonly #connections = this.#counter(
    'dockersh_ssh_connections_opened',
    'Ssh connections joined to a sandbox, by sshd or by the gateway.',
    ['kind', 'entry'],
  );
  readonly #refusals = this.#counter(
    'dockersh_logins_refused',
    'Logins and ssh connections refused, by the code of the reason.',
    ['code'],
  );
  readonly #ends = this.#counter('dockersh_sessions_ended', 'Sessions that have ended, by cause.', ['cause']);
  readonly #starts = this.#counter('dockersh_sandboxes_started', 'Sandboxes started.', []);
  readonly #stops = this.#counter('dockersh_sandboxes_ended', 'Sandboxes that have ended, by cause.', [
    'cause',
  ]);
  readonly #handOver = this.#histogram(
    'dockersh_login_seconds',
    'From a login client’s connection until a supervisor had its session.',
    ['kind'],
  );
  readonly #start = this.#histogram(
    'dockersh_sandbox_start_seconds',
    'From the first step of a sandbox’s start to its last.',
    [],
  );
  readonly #perUser: Readonly<Record<PerUser, Counter>> = {
    cpu: this.#counter('dockersh_sandbox_cpu_seconds', 'Processor time, since the sandbox was started.', [
      'user',
    ]),
    oomKilled: this.#counter(
      'dockersh_sandbox_oom_kills',
      'Processes that the kernel has ended for want of memory, since the sandbox was started.',
      ['user'],
    ),
    received: this.#counter(
      'dockersh_sandbox_network_received_bytes',
      'Into a private network, since the sandbox was started.',
      ['user'],
    ),
    sent: this.#counter(
      'dockersh_sandbox_network_sent_bytes',
      'Out of a private network, since the sandbox was started.',
      ['user'],
    ),
  };
  readonly #memory = this.#gauge('dockersh_sandbox_memory_bytes', 'Memory in use.', ['user']);
  readonly #memoryLimit = this.#gauge('dockersh_sandbox_memory_limit_bytes', 'Memory that may be used.', [
    'user',
  ]);
  readonly #processes = this.#gauge('dockersh_sandbox_processes', 'Processes and threads.', ['user']);
  readonly #sessions = this.#gauge('dockersh_sandbox_sessions', 'Sessions.', ['user']);
  readonly #disk = this.#gauge('dockersh_user_disk_bytes', 'What the user keeps, where it is counted.', [
    'user',
  ]);
  readonly #sandboxes = this.#gauge('dockersh_sandboxes', 'Sandboxes that run.', []);
  readonly #joined = this.#gauge(
    'dockersh_ssh_connections',
    'Ssh connections that are joined to a sandbox.',
    [],
  );
  readonly #images = this.#gauge('dockersh_images', 'Images by name.', []);
  readonly #space = this.#gauge(
    'dockersh_state_size_bytes',
    'Of the file system that images and users’ data are on.',
    [],
  );
  readonly #standingStill = this.#gauge(
    'dockersh_sessions_without_room',
    'Sessions that stand still, because there is no room for their recordings.',
    [],
  );
  readonly #gateway = new GatewayMetrics(this.#registry);
  readonly #free = this.#gauge('dockersh_state_free_bytes', 'Free space of that file system.', []);
  #asked: Promise<void> | undefined;

  constructor() {
    this.#gauge('dockersh_build_info', 'Always 1.', ['version']).set({ version }, 1);
  }

  loggedIn(kind: 'warm' | 'cold', ns: bigint): void {
    this.#logins.inc({ kind });
    this.#handOver.observe({ kind }, seconds(ns));
  }

  connected(kind: 'warm' | 'cold', entry: ConnectionEntry): void {
    this.#connections.inc({ kind, entry });
  }

  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  closed({ cause }: Pick<SessionEnd, 'cause'>): void {
    this.#ends.inc({ cause });
  }

  sandboxStarted({ steps }: Pick<SandboxStart, 'steps'>): void {
    this.#starts.inc();
    const [first, last] = [steps.at(0), steps.at(-1)];
    if (first !== undefined && last !== undefined) this.#start.observe(seconds(last.ns - first.ns));
  }

  sandboxEnded({ cause }: Pick<SandboxEnd, 'cause'>): void {
    this.#stops.inc({ cause });
  }

  /** However many ask at once, things are looked at once. */
  async text(isOpenMetrics: boolean): Promise<{ readonly type: string; readonly body: string }> {
    this.#asked ??= this.#look().finally(() => {
      this.#asked = undefined;
    });
    await this.#asked;
    const type = isOpenMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
    this.#registry.setContentType(type as typeof Registry.OPENMETRICS_CONTENT_TYPE);
    return { type, body: await this.#registry.metrics() };
  }

  async #look(): Promise<void> {
    const { standing } = this;
    if (standing === undefined) return;
    const [sandboxes, images, space, gateway] = await Promise.all([
      standing.sandboxes(),
      standing.images(),
      standing.space(),
      standing.gateway(),
    ]);
    this.#gateway.set(gateway);
    const gauges = [this.#memory, this.#memoryLimit, this.#processes, this.#sessions, this.#disk];
    for (const metric of [...gauges, ...Object.values(this.#perUser)]) metric.reset(); // users who are gone
    for (const used of sandboxes) {
      const { user, sessions, memoryBytes, memoryLimitBytes, pids, cpuUsec, disk, network } = used;
      const set = (gauge: Gauge, value: number | null | undefined) =>
        value == null || gauge.set({ user }, value);
      const add = (of: PerUser, value: number | null | undefined) =>
        value == null || this.#perUser[of].inc({ user }, value);
      set(this.#sessions, sessions);
      set(this.#memory, memoryBytes);
      set(this.#memoryLimit, memoryLimitBytes);
      set(this.#processes, pids);
      set(this.#disk, disk?.bytes);
      add('cpu', cpuUsec === null ? null : cpuUsec / 1e6);
      add('oomKilled', used.oomKilled);
      add('received', network?.bytesIn);
      add('sent', network?.bytesOut);
    }
    this.#sandboxes.set(sandboxes.length);
    this.#joined.set(standing.connections());
    this.#standingStill.set(standing.withoutRoom());
    this.#images.set(images);
    this.#space.set(space.bytes);
    this.#free.set(space.free);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `${name}_total`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.#registry] });
  }
}
