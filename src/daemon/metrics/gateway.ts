// Counts what the gateway's listener says of itself.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { AdminGateway } from '../../protocol/admin-gateway.ts';

export class GatewayMetrics {
  readonly #up: Gauge;
  readonly #waiting: Gauge;
  readonly #accepted: Counter;
  readonly #loggedIn: Counter;
  readonly #refused: Counter;

  constructor(registry: Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>) {
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
      new Counter({ name: `dockersh_gateway_${name}_total`, help, labelNames, registers });
    this.#up = new Gauge({ name: 'dockersh_gateway_up', help: 'Whether the gateway runs.', registers });
    this.#waiting = new Gauge({
      name: 'dockersh_gateway_waiting',
      help: 'Connections at the gateway that have not logged in yet.',
      registers,
    });
    this.#accepted = counter(
      'connections',
      'Connections that came to the gateway, since it was started, by the entry.',
      ['entry'],
    );
    this.#loggedIn = counter('logged_in', 'Those of them that have logged in.', ['entry']);
    this.#refused = counter('refused', 'Those of them that were refused at once, by the reason.', ['reason']);
  }

  /** null: it does not run. */
  set(gateway: AdminGateway | null): void {
    for (const metric of [this.#accepted, this.#loggedIn, this.#refused]) metric.reset();
    this.#up.set(gateway === null ? 0 : 1);
    this.#waiting.set(gateway?.waiting ?? 0);
    if (gateway === null) return;
    const { web } = gateway;
    this.#accepted.inc({ entry: 'ssh' }, gateway.accepted - web.accepted);
    this.#accepted.inc({ entry: 'web' }, web.accepted);
    this.#loggedIn.inc({ entry: 'ssh' }, gateway.loggedIn - web.loggedIn);
    this.#loggedIn.inc({ entry: 'web' }, web.loggedIn);
    for (const [reason, count] of Object.entries(gateway.refused)) this.#refused.inc({ reason }, count);
  }
}
