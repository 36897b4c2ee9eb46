// Splits an image's name into registry, repository, and tag or digest. Pure.

import { dockerHub, parseImageName, placeOf } from '../../lib/text/image-name.ts';
import { type Digest, digestSchema } from '../digest.ts';
import { RegistryError } from './failure.ts';

export interface RemoteName {
  /** "docker.io", "registry.example:5000": as administrators write it. */
  readonly registry: string;
  /** "library/debian". */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** Throws E_USAGE where the text is no image name, or its digest is none that the store knows. */
export function parseRemoteName(text: string, defaultRegistry: string = dockerHub): RemoteName {
  const parsed = parseImageName(text);
  if (parsed === undefined) throw notAName(text, 'it is no image name');
  const digest = parsed.digest === undefined ? undefined : digestSchema.safeParse(parsed.digest);
  if (digest?.success === false) throw notAName(text, 'its digest is not sha256');
  return { ...placeOf(parsed.name, defaultRegistry), tag: parsed.tag, digest: digest?.data };
}

/** What to ask the registry for: the digest where there is one, or else the tag. */
export function wanted(name: RemoteName): string {
  return name.digest ?? name.tag ?? 'latest';
}

/** The name as a person may use it again. */
export function describeRemoteName(name: RemoteName): string {
  const digest = name.digest === undefined ? '' : `@${name.digest}`;
  const tag = name.tag === undefined ? (digest === '' ? ':latest' : '') : `:${name.tag}`;
  return `${name.registry}/${name.repository}${tag}${digest}`;
}

function notAName(text: string, why: string): RegistryError {
  return new RegistryError('refused', {
    what: `image name '${text.slice(0, 300)}'`,
    why,
    hint: 'Names are NAME[:TAG][@DIGEST], as in debian:trixie or registry.example/lab/base:2.',
  });
}
