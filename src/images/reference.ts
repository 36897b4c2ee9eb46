// Turns an administrator's name of an image into the store's. Pure.

import { DockershError } from '../lib/errors.ts';
import { hostImageName, type ImageName, parseImageName } from '../lib/text/image-name.ts';
import { type Digest, digestSchema } from './digest.ts';

export type Reference =
  | { readonly kind: 'host' }
  /** `key` is the name in index.json, "name:tag". `id`: what it is where no image has that name. */
  | { readonly kind: 'tag'; readonly key: string; readonly id?: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

const defaultTag = 'latest';

/** Undefined where the text is no image name. `host` and `host:latest` are the virtual image. */
export function parseReference(text: string): Reference | undefined {
  const name = parseImageName(text);
  if (name === undefined) return undefined;
  if (name.name === hostImageName) {
    const plain = (name.tag === undefined || name.tag === defaultTag) && name.digest === undefined;
    return plain ? { kind: 'host' } : undefined;
  }
  if (name.digest !== undefined) {
    const digest = digestSchema.safeParse(name.digest);
    return digest.success ? { kind: 'digest', digest: digest.data } : undefined;
  }
  const id = idOf(name);
  const key = `${name.name}:${name.tag ?? defaultTag}`;
  return id === undefined ? { kind: 'tag', key } : { kind: 'tag', key, id };
}

/** "0123456789ab" or "sha256:0123…": the beginning of a digest, as "image ls" shows it, or all of it. */
function idOf({ name, tag }: ImageName): string | undefined {
  const id = tag === undefined ? name : name === 'sha256' ? tag : '';
  return /^[0-9a-f]{6,64}$/.test(id) ? id : undefined;
}

/** The key of a name that the store may make or remove. Throws E_USAGE for every other one. */
export function writableKey(text: string): string {
  const reference = parseReference(text);
  if (reference?.kind === 'tag') return reference.key;
  if (reference?.kind === 'host') {
    throw new DockershError('E_USAGE', {
      what: `image name '${text}'`,
      why: 'this name is reserved for the image that is made of the host itself',
      hint: 'Choose another name.',
    });
  }
  throw new DockershError('E_USAGE', {
    what: `image name '${text}'`,
    why: 'it is not NAME or NAME:TAG',
    hint: 'Names are lower case, as in debian:trixie or registry.example/lab/base:2.',
  });
}
