// Lists what the engine is made with.

import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { CgroupHost } from '../cgroup/host.ts';
import type { ByWhom, EngineEvents } from '../engine.ts';
import type { Networks } from '../network/networks.ts';
import type { LxcfsPlace } from '../supervisor/figures.ts';

export interface EngineOptions {
  readonly run: AbsolutePath;
  /** dockersh-supervisor and dockersh-init. */
  readonly libexec: string;
  readonly cgroups: CgroupHost;
  readonly log: Logger;
  readonly events: EngineEvents;
  readonly networks: Networks;
  /** Whose numbers sandboxes show in the place of the host's. */
  readonly lxcfs: LxcfsPlace;
  /** Who asks for what happens now. */
  readonly byWhom?: () => ByWhom;
}
