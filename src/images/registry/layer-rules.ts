// Checks that an image's layers are acceptable: how many, how large, of which kinds. Done before anything is fetched,
// so that what cannot be taken costs nothing. Pure.

import { z } from 'zod';
import { type Descriptor, mediaTypes } from '../oci.ts';
import { RegistryError } from './failure.ts';
import type { RegistryLimits } from './limits.ts';

const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.layerTar,
  mediaTypes.layerGzip,
  mediaTypes.layerZstd,
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerTar,
  mediaTypes.dockerLayerZstd,
]);
const configTypes: ReadonlySet<string> = new Set([mediaTypes.config, mediaTypes.dockerConfig]);

/** As much of a manifest as says what it is about, whether it is valid otherwise or not. */
const outline = z.looseObject({
  config: z.looseObject({ mediaType: z.string(), size: z.int().nonnegative() }),
  layers: z.array(z.looseObject({ mediaType: z.string(), size: z.int().nonnegative() })),
});

/** Throws a limit or refused RegistryError. Leaves to the schema what is no manifest at all. */
export function requireLayers(value: unknown, { digest }: Descriptor, limits: RegistryLimits): void {
  const parsed = outline.safeParse(value);
  if (!parsed.success) return;
  const { config, layers } = parsed.data;
  const what = `manifest ${digest}`;
  const tooMuch = (why: string): RegistryError => new RegistryError('limit', { what, why });
  if (!configTypes.has(config.mediaType)) {
    throw refused(what, `this is no image: its configuration is of the kind ${config.mediaType}`);
  }
  if (config.size > limits.configBytes) throw tooMuch(`its configuration has ${config.size} bytes`);
  if (layers.length > limits.layers) {
    throw tooMuch(`it has ${layers.length} layers, the limit is ${limits.layers}`);
  }
  const strange = layers.find(({ mediaType }) => !layerTypes.has(mediaType));
  if (strange !== undefined) throw refused(what, reasonOf(strange.mediaType));
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  if (bytes > limits.imageBytes) {
    throw tooMuch(`its layers have ${bytes} bytes, the limit is ${limits.imageBytes}`);
  }
}

/** Layers that name another place to get them from are not followed there: the manifest's author chose it. */
function reasonOf(mediaType: string): string {
  if (/foreign|nondistributable/.test(mediaType)) return 'it has layers that registries may not distribute';
  if (mediaType.endsWith('+encrypted')) return 'it has encrypted layers';
  return `it has a layer of the kind ${mediaType}`;
}

function refused(what: string, why: string): RegistryError {
  return new RegistryError('refused', { what, why, hint: 'Only images of root filesystems can be pulled.' });
}
