// Puts users' layers on what the names of their images mean now, and back. A layer stays as it is: what is below it is
// another image from the next start on, and what the user has changed hides the new one's. So going back is putting it on the
// image before, which is kept until the next upgrade.

import { type Shadowed, shadowedBy } from '../../images/layers/shadowed.ts';
import type { ImageStore, ResolvedImage } from '../../images/store/image-store.ts';
import type { UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { LayerAccess } from '../access.ts';
import { DiskBases } from '../disk/bases.ts';
import { missing } from '../image-at-start.ts';
import type { UserStore } from '../store.ts';
import { isVirtual, type LayerBase, nextBase, readLayerBase, writeLayerBase } from './files.ts';

type ImagePolicy = Pick<EffectivePolicy, 'image'>;

/** A sandbox that runs keeps what it has. `upgraded`: it is on `to` from the next start on, and was not. */
export interface Upgrade {
  readonly from: string | null;
  readonly to: string;
  readonly upgraded: boolean;
  readonly running: boolean;
}

export interface UpgradePlan extends Upgrade {
  /** What of the layer hides what has changed between the two. */
  readonly shadowed: Shadowed;
  /** What "back" would put the layer on. */
  readonly before: string | null;
}

const nothing: Shadowed = { count: 0, examples: [], packages: false };

export class Upgrades {
  readonly #images: ImageStore;
  readonly #access: LayerAccess;
  readonly #bases: DiskBases;

  constructor(store: UserStore, images: ImageStore, access: LayerAccess) {
    this.#images = images;
    this.#access = access;
    this.#bases = new DiskBases(store.state, store.disks);
  }

  /** What upgrade() would do. Throws E_NOT_FOUND where the user has not logged in yet, E_IMAGE_MISSING. */
  async plan(user: UserRecord, policy: ImagePolicy, signal: AbortSignal): Promise<UpgradePlan> {
    const look = async (): Promise<UpgradePlan> => {
      await using begun = await this.#access.begun(user);
      const { folder, upper, ids, isRunning: running } = begun;
      const base = (await readLayerBase(folder)) ?? begun.base;
      const current = await this.#current(policy);
      const before = base.image === policy.image ? (base.before ?? null) : null;
      const found = { from: base.digest, to: current.digest, running, before };
      if (!(await this.#isOther(base, policy, current)))
        return { ...found, upgraded: false, shadowed: nothing };
      const old = await this.#images.resolve(isVirtual(base.digest) ? base.image : `image@${base.digest}`);
      const [below, above] = [old, current].map((image) => image?.layers.map(({ path }) => path) ?? []);
      const changes = this.#images.diff(upper, above ?? [], ids, { signal });
      const shadowed = await shadowedBy(changes, below ?? [], above ?? [], signal);
      return { ...found, upgraded: true, shadowed };
    };
    return await this.#access.held(user, look, signal);
  }

  /** From the next start on. Throws as plan() does. */
  async upgrade(user: UserRecord, policy: ImagePolicy, signal: AbortSignal): Promise<Upgrade> {
    const put = async (): Promise<Upgrade> => {
      await using begun = await this.#access.begun(user);
      const { folder, isRunning: running } = begun;
      const base = (await readLayerBase(folder)) ?? begun.base;
      const current = await this.#current(policy);
      const upgraded = await this.#isOther(base, policy, current);
      if (upgraded) await this.#write(user, folder, nextBase(base, policy.image, current.digest));
      return { from: base.digest, to: current.digest, upgraded, running };
    };
    return await this.#access.held(user, put, signal);
  }

  /**
   * Puts the layer back on the image before, from the next start on; no start takes the newer one by itself again. Throws
   * E_NOT_FOUND where there is none, E_IMAGE_MISSING.
   */
  async back(user: UserRecord, policy: ImagePolicy, signal: AbortSignal): Promise<Upgrade> {
    const put = async (): Promise<Upgrade> => {
      await using begun = await this.#access.begun(user);
      const { folder, isRunning: running } = begun;
      const base = await readLayerBase(folder);
      if (base?.before === undefined || base.image !== policy.image) throw noWayBack(user, policy);
      const { before: to, digest: from } = base;
      if ((await this.#images.resolve(`image@${to}`)) === undefined) throw missing(`${base.image} (${to})`);
      await this.#write(user, folder, { image: base.image, digest: to, refused: from });
      return { from, to, upgraded: true, running };
    };
    return await this.#access.held(user, put, signal);
  }

  async #current({ image }: ImagePolicy): Promise<ResolvedImage> {
    const current = await this.#images.resolve(image);
    if (current === undefined) throw missing(image);
    return current;
  }

  /** The host's own files are followed by every start. */
  async #isOther(base: LayerBase, { image }: ImagePolicy, current: ResolvedImage): Promise<boolean> {
    if (base.image !== image) return true;
    if (isVirtual(current.digest)) return false;
    return await this.#images.hasMoved(image, base.digest);
  }

  async #write(user: UserRecord, folder: string, base: LayerBase): Promise<void> {
    await this.#bases.add(user.uid, base.digest);
    await writeLayerBase(folder, base);
  }
}

function noWayBack(user: UserRecord, { image }: ImagePolicy): DockershError {
  return new DockershError('E_NOT_FOUND', {
    what: `an image before ${image} for ${user.name}`,
    why: 'the layer has not been upgraded since it was begun, put back, or given another image by the policy',
    hint: '"dockershctl rollback" goes back to a snapshot.',
  });
}
