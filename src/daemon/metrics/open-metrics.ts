// Opens what serves metrics, and says how things stand.

import { statfs } from 'node:fs/promises';
import type { ImageStore } from '../../images/store/image-store.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { gatewayStatus } from '../gateway/status.ts';
import type { Recordings } from '../recordings/recordings.ts';
import { countsOf, type StatsParts } from '../stats.ts';
import type { Metrics } from './metrics.ts';
import { MetricsServer } from './server.ts';

export interface MetricsParts extends StatsParts {
  readonly images: Pick<ImageStore, 'list'>;
  readonly recordings: Pick<Recordings, 'waiting'>;
  readonly state: AbsolutePath;
  readonly run: AbsolutePath;
  readonly log: Logger;
}

export async function openMetrics(
  metrics: Metrics,
  { images, recordings, state, run, log, ...parts }: MetricsParts,
): Promise<MetricsServer> {
  metrics.standing = {
    sandboxes: async () => await countsOf(parts),
    connections: () => parts.engine.loads().reduce((sum, { connections }) => sum + connections.length, 0),
    withoutRoom: () => recordings.waiting,
    gateway: async () => await gatewayStatus(run),
    images: async () => (await images.list()).length,
    space: async () => {
      const { bsize, blocks, bavail } = await statfs(state);
      return { bytes: bsize * blocks, free: bsize * bavail };
    },
  };
  const server = await MetricsServer.start(metrics, run, log);
  server.listenAt(parts.policy.host.metrics);
  return server;
}
