// Layers for tests that need some time with them.

import { randomBytes } from 'node:crypto';
import { type BuiltLayer, builtLayer } from './image-builder.ts';
import { tar } from './tar-builder.ts';

/** Layers with files of many sizes, that compress badly. */
export function randomLayers(count: number, files: number, fileBytes: number): BuiltLayer[] {
  return Array.from({ length: count }, (_, layer) =>
    builtLayer(
      tar(
        { name: `l${layer}/`, type: '5', mode: 0o755 },
        ...Array.from({ length: files }, (__, file) => ({
          name: `l${layer}/${file}`,
          data: randomBytes(Math.ceil((fileBytes * (file % 7)) / 3)),
        })),
      ),
    ),
  );
}
