// The admin verbs about images.

import { bootstrapImage } from '../../images/bootstrap/bootstrap.ts';
import { fitsPlatform, parsePlatform } from '../../images/platform.ts';
import type { PartialRegistryOptions } from '../../images/registry/options.ts';
import { pullImage } from '../../images/registry/pull.ts';
import { pushImage } from '../../images/registry/push.ts';
import type { ImageStore } from '../../images/store/image-store.ts';
import type { TrustRules } from '../../images/trust/rules.ts';
import type { InspectedImage } from '../../images/upkeep/inspect.ts';
import { DockershError } from '../../lib/errors.ts';
import type { AdminProgress, AdminResult, AdminUse } from '../../protocol/admin.ts';
import type { imageVerbs } from '../../protocol/admin-images.ts';
import { trustRules } from '../policy/trust-rules.ts';
import { writeExport } from './archive/export-file.ts';
import type { AdminParts, Handlers } from './parts.ts';
import { transferProgress } from './transfer-progress.ts';
import { requireUnused } from './unused.ts';

export function imageHandlers(parts: AdminParts): Handlers<keyof typeof imageVerbs> {
  const { images } = parts;
  return {
    'image.import': async ({ name, path }, { progress, signal }) => {
      const imported = await images.importImage(name, path, { onProgress: progress, signal });
      for (const { name: id } of imported) {
        const image = await images.inspect(id);
        if (fitsMachine(image)) continue;
        const { os, architecture, variant } = image;
        const machine = `${os}/${architecture}${variant === null ? '' : `/${variant}`}`;
        progress({ id, step: `for ${machine}: on this machine its programs run only by emulation` });
      }
      return { images: imported };
    },
    'image.bootstrap': async ({ suite, name, mirror, packages }, { progress, signal }) => {
      const request = { suite, name, mirror, packages };
      return await bootstrapImage(images, request, { onProgress: progress, signal, scratch: parts.scratch });
    },
    'image.ls': async () => ({ images: await images.list() }),
    'image.history': async ({ name }) => ({ name, history: await images.history(name) }),
    'image.inspect': async ({ name }) => {
      const image = await images.inspect(name);
      return { ...mutable(image), fitsMachine: fitsMachine(image) };
    },
    'image.tag': async ({ source, target }) => await images.tag(source, target),
    'image.untrusted': async ({ names, rules }) => await untrusted(images, names, rules && trustRules(rules)),
    'image.rm': async ({ name, force }) => {
      if (force !== true) await requireUnused(parts, name);
      return await images.remove(name);
    },
    'image.export': async ({ name, path, format }, { progress, signal }) =>
      await writeExport(images, { name, path, format }, { onProgress: progress, signal }),
    'image.du': async (_, { signal }) => await useOf(parts, signal),
    'image.gc': async (_, { signal }) => await images.collectGarbage(signal),
    'image.verify': async ({ layers }, { progress, signal }) =>
      mutable(await images.verify({ layers, onProgress: progress, signal })),
    ...registryHandlers(parts),
  };
}

/** One that does not say for which machine it is is for any. */
function fitsMachine({ os, architecture, variant }: InspectedImage): boolean {
  return architecture === '' || fitsPlatform({ os, architecture, variant: variant ?? undefined });
}

function registryHandlers(parts: AdminParts): Handlers<'image.pull' | 'image.push'> {
  const { images } = parts;
  return {
    'image.pull': async ({ name, as, platform }, { progress, signal }) => {
      const registry = registryOf(parts, progress);
      const onProgress = transferProgress(progress, `Pulling ${name}`);
      const { source, digest, unchanged, mirror, ...pulled } = await pullImage(images, name, {
        registry,
        as,
        platform: platform === undefined ? undefined : parsePlatform(platform),
        onProgress,
        signal,
      });
      return { ...pulled, from: source, digest, mirror: mirror ?? null, changed: !unchanged };
    },
    'image.push': async ({ name, destination }, { progress, signal }) => {
      const registry = registryOf(parts, progress);
      const onProgress = transferProgress(progress, `Pushing ${destination ?? name}`);
      const related = (await images.list()).filter(({ virtual }) => !virtual).map((image) => image.name);
      const options = { registry, to: destination, related, onProgress, signal };
      const { target, ...pushed } = await pushImage(images, name, options);
      return { name, destination: target, ...pushed };
    },
  };
}

function registryOf(
  { policy, log }: AdminParts,
  tell: (progress: AdminProgress) => void,
): PartialRegistryOptions {
  const { registry, plainHttp, mirror, proxy, noProxy } = policy.images;
  return {
    defaultRegistry: registry,
    plainHttpHosts: plainHttp,
    mirror: mirror ?? undefined,
    proxies: { proxy, noProxy },
    warn: (failure) => {
      log.warn({ event: 'registry', code: failure.code, reason: failure.message }, failure.message);
      tell({ step: `Warning: ${failure.message}` });
    },
  };
}

async function untrusted(
  images: ImageStore,
  names: readonly string[],
  rules: TrustRules | undefined,
): Promise<AdminResult<'image.untrusted'>> {
  const refused: { name: string; why: string }[] = [];
  for (const name of names) {
    try {
      const image = await images.resolve(name);
      if (image !== undefined) await images.requireTrusted(name, image.digest, rules);
    } catch (error) {
      if (!(error instanceof DockershError)) throw error;
      // What is damaged is told elsewhere.
      if (error.code === 'E_IMAGE_UNTRUSTED') refused.push({ name, why: error.why ?? error.message });
    }
  }
  return { untrusted: refused };
}

async function useOf({ images, layers, users, store }: AdminParts, signal: AbortSignal): Promise<AdminUse> {
  const layersOf = await layers.usage(signal);
  const named = layersOf.map(async (use) => {
    const account = (await users.find(use.uid))?.name ?? null;
    return { ...use, user: store.owners.nameOf(use.uid) ?? account ?? String(use.uid), account };
  });
  return { ...mutable(await images.usage(signal)), users: await Promise.all(named) };
}

/** The same value with a type that the protocol's results have: nobody writes to either. */
function mutable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
