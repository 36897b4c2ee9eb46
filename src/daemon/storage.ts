// Opens what the daemon keeps on the disk: users' folders, the image store, and the room that is kept back for emptying a
// full disk.

import path from 'node:path';
import { type ImageStore, openImageStore } from '../images/store/image-store.ts';
import { Reserve } from '../images/store/reserve.ts';
import type { Engine } from '../isolation/engine.ts';
import { requireUsable } from '../isolation/supervisor/session-size.ts';
import type { Logger } from '../lib/log.ts';
import { imageEnvironment } from '../shell/environment.ts';
import { DiskBases } from '../users/disk/bases.ts';
import { UserStore } from '../users/store.ts';
import type { DaemonOptions } from './options.ts';
import { archiveLimitsOf } from './policy/policy-limits.ts';
import type { PolicyStore } from './policy/policy-store.ts';
import { trustRules } from './policy/trust-rules.ts';

export interface Storage {
  readonly reserve: Reserve;
  readonly store: UserStore;
  readonly images: ImageStore;
}

export interface StorageGround {
  readonly options: DaemonOptions;
  readonly parts: AsyncDisposableStack;
  readonly policy: PolicyStore;
  readonly log: Logger;
  /** Of sandboxes, as the image store wants to know it. */
  readonly layersInUse: () => ReadonlySet<string>;
}

export async function openStorage({
  options,
  parts,
  policy,
  log,
  layersInUse,
}: StorageGround): Promise<Storage> {
  const layerProgram = path.join(options.libexec, 'dockersh-layer');
  const program = { path: layerProgram, limits: {} };
  const store = parts.use(await UserStore.open(options.state, program, log));
  const bases = new DiskBases(options.state, store.disks);
  const reserve = await Reserve.open(path.join(options.state, 'reserve'));
  const images = parts.use(
    await openImageStore(path.join(options.state, 'images'), {
      layerProgram,
      inUse: layersInUse,
      bases: async () => await bases.all(),
      limits: archiveLimitsOf(policy),
      defaultRegistry: () => policy.images.registry,
      trust: {
        rules: () => trustRules(policy.images),
        keysFolder: path.join(path.dirname(options.config), 'keys'),
      },
      admit: (name, env) => requireUsable(name, imageEnvironment(env)),
      reserve,
      log,
    }),
  );
  return { reserve, store, images };
}

/** Of sandboxes that run already. */
export async function keepDisks({ disks }: UserStore, engine: Engine, log: Logger): Promise<void> {
  for (const uid of engine.uids()) {
    try {
      await engine.keep(uid, await disks.open(uid));
    } catch (error) {
      log.warn({ err: error, uid }, 'the disk of a running sandbox');
    }
  }
}
