// Imports what `docker save` wrote before 1.10: a folder for each layer, with a description that names the one below,
// and `repositories`, which says what the topmost are called. No digest is in it: they are made here.

import * as z from 'zod';
import {
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  imageConfig,
  maxLayers,
  mediaTypes,
  ociArchitecture,
} from '../oci.ts';
import { brokenBundle, readMemberJson } from './bundle.ts';
import { repositories } from './bundle-kind.ts';
import { importForeign, type Parts } from './docker-archive.ts';
import type { ForeignLayer } from './foreign-layer.ts';
import { chooseImage, type NamedImage } from './names.ts';
import type { ImportOptions } from './options.ts';

const description = z.looseObject({
  parent: z
    .string()
    .regex(/^([0-9a-f]{64})?$/)
    .nullish(),
  created: z.string().nullish(),
  author: z.string().nullish(),
  comment: z.string().nullish(),
  architecture: z.string().nullish(),
  os: z.string().nullish(),
  config: imageConfig.shape.config,
  container_config: z.looseObject({ Cmd: z.array(z.string()).nullish() }).nullish(),
});
type Description = z.infer<typeof description>;

export async function importLegacy(
  parts: Parts,
  name: string | undefined,
  options: ImportOptions,
): Promise<NamedImage<Descriptor>[]> {
  const { bundle } = parts;
  const named = repositories.safeParse(await readMemberJson(bundle, 'repositories'));
  if (!named.success) throw brokenBundle(bundle, 'its repositories is not what docker save writes');
  const images = new Map<string, string[]>();
  for (const [repository, tags] of Object.entries(named.data)) {
    for (const [tag, id] of Object.entries(tags)) {
      images.set(id, [...(images.get(id) ?? []), `${repository}:${tag}`]);
    }
  }
  const listed = [...images].map(([image, names]) => ({ image, names }));
  const imported: NamedImage<Descriptor>[] = [];
  for (const { image, names } of chooseImage(bundle.path, listed, name)) {
    imported.push({ image: await importImage(parts, image, options), names });
  }
  return imported;
}

async function importImage(parts: Parts, id: string, options: ImportOptions): Promise<Descriptor> {
  const { transaction } = parts;
  const steps = await readSteps(parts, id);
  const layers: ForeignLayer[] = [];
  for (const step of steps) {
    layers.push(await importForeign(parts, `${step.id}/layer.tar`, undefined, options));
  }
  const put = (value: object, mediaType: string) =>
    transaction.putBlob(Buffer.from(JSON.stringify(value)), mediaType);
  const config = await put(configOf(steps, layers), mediaTypes.config);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: layers.map(({ blob }) => blob),
  };
  return put(manifest, mediaTypes.manifest);
}

interface Step extends Description {
  readonly id: string;
}

/** Lowest first. */
async function readSteps({ bundle }: Parts, top: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (let id = top; id !== ''; ) {
    if (steps.length === maxLayers) throw brokenBundle(bundle, `it has more than ${maxLayers} layers`);
    const read = description.safeParse(await readMemberJson(bundle, `${id}/json`));
    if (!read.success) throw brokenBundle(bundle, `"${id}/json" is not what docker save writes`, read.error);
    steps.unshift({ ...read.data, id });
    id = read.data.parent ?? '';
  }
  return steps;
}

function configOf(steps: readonly Step[], layers: readonly ForeignLayer[]): ImageConfig {
  const top = steps.at(-1);
  return {
    created: top?.created,
    author: top?.author,
    architecture: top?.architecture || ociArchitecture(process.arch),
    os: top?.os || 'linux',
    config: top?.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ info }) => info.diffId) },
    history: steps.map(({ created, author, comment, container_config }) => ({
      created,
      created_by: container_config?.Cmd?.join(' ') ?? '',
      ...(author ? { author } : {}),
      ...(comment ? { comment } : {}),
    })),
  };
}
