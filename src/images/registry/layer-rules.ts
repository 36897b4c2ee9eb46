// Checks that an image's layers are acceptable: how many, how large, of which kinds. Done before anything is fetched,
// so that what cannot be taken costs nothing. Pure.

import * as z from 'zod';
import { whyNoImage } from '../artifact.ts';
import type { Descriptor } from '../oci.ts';
import { RegistryError } from './failure.ts';
import type { RegistryLimits } from './limits.ts';

/** As much of a manifest as says what it is about, whether it is valid otherwise or not. */
const outline = z.looseObject({
  artifactType: z.string().nullish(),
  config: z.looseObject({ mediaType: z.string(), size: z.int().nonnegative() }),
  layers: z
    .array(z.looseObject({ mediaType: z.string(), size: z.int().nonnegative() }))
    .nullish()
    .transform((layers) => layers ?? []),
});

/** Throws a limit or refused RegistryError. Leaves to the schema what is no manifest at all. */
export function requireLayers(value: unknown, { digest }: Descriptor, limits: RegistryLimits): void {
  const parsed = outline.safeParse(value);
  if (!parsed.success) return;
  const { config, layers } = parsed.data;
  const what = `manifest ${digest}`;
  const tooMuch = (why: string): RegistryError => new RegistryError('limit', { what, why });
  const why = whyNoImage(parsed.data);
  if (why !== undefined) {
    throw new RegistryError('refused', { what, why, hint: 'Only images of root filesystems can be pulled.' });
  }
  if (config.size > limits.configBytes) throw tooMuch(`its configuration has ${config.size} bytes`);
  if (layers.length > limits.layers) {
    throw tooMuch(`it has ${layers.length} layers, the limit is ${limits.layers}`);
  }
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  if (bytes > limits.imageBytes) {
    throw tooMuch(`its layers have ${bytes} bytes, the limit is ${limits.imageBytes}`);
  }
}
