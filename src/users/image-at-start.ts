// Chooses the image that a user's sandbox starts from. Names move, sandboxes do not: a layer stays on the image that
// it was begun on until it is upgraded, or as policy says (on_image_change).

import { mkdir } from 'node:fs/promises';
import type { ImageStore, ResolvedImage } from '../images/store/image-store.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { shellOperand } from '../lib/text/shell-word.ts';
import type { EffectivePolicy } from '../policy/policy.ts';
import {
  isVirtual,
  type LayerBase,
  nextBase,
  readLayerBase,
  resetLayer,
  writeLayerBase,
} from './layer/snapshots.ts';
import { layerFolder } from './places.ts';

export interface ImageChoice {
  readonly images: ImageStore;
  readonly log: Logger;
  /** The user's folder in the state. */
  readonly folder: string;
  readonly policy: Pick<EffectivePolicy, 'image' | 'onImageChange'>;
  /** Called before the layer is put on another image, with the digest of that. */
  readonly remember: (digest: string) => Promise<void>;
}

/**
 * The user's own image for a sandbox that is about to start, with what the layer is made on written down. Call while
 * the sandbox is stopped and nobody else is at the layer. Throws E_IMAGE_MISSING, E_IMAGE_BROKEN,
 * E_IMAGE_UNTRUSTED.
 */
export async function ownImageAtStart(choice: ImageChoice): Promise<ResolvedImage> {
  const { images, folder, policy } = choice;
  const base = await readLayerBase(folder);
  const current = await images.resolve(policy.image);
  if (base === undefined) return await takeUp(choice, base, current);
  if (current !== undefined && base.digest === current.digest) {
    await images.requireTrusted(policy.image, current.digest);
    return current;
  }
  if (base.image !== policy.image || isVirtual(base.digest)) return await follow(choice, base, current);
  const kept = await images.resolve(`image@${base.digest}`);
  // Its content is still the same, or nothing is left of what it was made on.
  if (kept === undefined) return await takeUp(choice, base, current);
  if (current !== undefined && !(await images.hasMoved(policy.image, base.digest))) {
    return await takeUp(choice, base, current, { ...base, digest: current.digest });
  }
  if (current === undefined || policy.onImageChange === 'keep' || base.refused === current.digest) {
    await images.requireTrusted(policy.image, kept.digest);
    return { ...kept, name: policy.image };
  }
  return await follow(choice, base, current);
}

/** Another image than before, because the policy names it or wants the newest. */
async function follow(
  choice: ImageChoice,
  base: LayerBase,
  current: ResolvedImage | undefined,
): Promise<ResolvedImage> {
  const { images, folder, policy, log, remember } = choice;
  // The virtual image follows every update of the host: that is no reason to begin anew.
  const sameHost = base.image === policy.image && isVirtual(base.digest);
  if (current === undefined || policy.onImageChange !== 'reset' || sameHost) {
    const taken = await takeUp(choice, base, current);
    const { digest } = taken;
    if (!sameHost)
      log.info({ folder, image: policy.image, digest, before: base.digest }, 'layer put on another image');
    return taken;
  }
  await images.requireTrusted(policy.image, current.digest); // before the user loses anything by it
  const name = snapshotNameNow('before-reset');
  await remember(current.digest);
  const save = { name, message: `before ${policy.image} was changed` };
  await resetLayer(images.layerProgram, folder, { image: policy.image, digest: current.digest }, save);
  log.info(
    { folder, image: policy.image, digest: current.digest, snapshot: name },
    'layer reset: the image has changed',
  );
  return current;
}

/** Puts the layer on `current`. `next`: what is written of that. */
async function takeUp(
  { images, folder, policy, remember }: ImageChoice,
  base: LayerBase | undefined,
  current: ResolvedImage | undefined,
  next?: LayerBase,
): Promise<ResolvedImage> {
  if (current === undefined) throw missing(policy.image);
  await images.requireTrusted(policy.image, current.digest);
  if (base?.digest !== current.digest || base.image !== policy.image) {
    await remember(current.digest);
    await mkdir(layerFolder(folder), { recursive: true, mode: 0o700 });
    await writeLayerBase(folder, next ?? nextBase(base, policy.image, current.digest));
  }
  return current;
}

/** "before-reset-20260102-030405.678": sorts by time, and is a snapshot's name. */
export function snapshotNameNow(prefix: string): string {
  const [day = '', time = ''] = new Date().toISOString().slice(0, -1).split('T');
  const stamp = `${day.replaceAll('-', '')}-${time.replaceAll(':', '')}`;
  return prefix === '' ? stamp : `${prefix}-${stamp}`;
}

export function missing(image: string): DockershError {
  return new DockershError('E_IMAGE_MISSING', {
    what: `image "${image}"`,
    why: 'there is none of this name',
    hint: `Fetch it (dockershctl image pull ${shellOperand(image)}), or import it: dockershctl image import ${shellOperand(image)} PATH`,
  });
}
