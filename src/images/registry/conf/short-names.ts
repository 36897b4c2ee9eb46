// Finds the whole name of one that names no registry, by what containers' registries.conf says of such. Pure.

import { isSameImage, parseImageName, placeOf } from '../../../lib/text/image-name.ts';
import { RegistryError } from '../failure.ts';

export interface ShortNames {
  /** "fedora" to "registry.fedoraproject.org/fedora". */
  readonly aliases: ReadonlyMap<string, string>;
  /** Where names are that have no alias; none: in the default registry. */
  readonly search: readonly string[];
}

/**
 * The name itself where the file says nothing of it, or nothing else than what it means anyway. Throws RegistryError where it
 * may mean several: whoever has the first of them would decide what people run.
 */
export function wholeName(text: string, { aliases, search }: ShortNames, defaultRegistry: string): string {
  const parsed = parseImageName(text);
  if (parsed === undefined || hasRegistry(parsed.name)) return text;
  const end = text.slice(parsed.name.length);
  const alias = aliases.get(parsed.name);
  const places = alias === undefined ? search.map((registry) => `${registry}/${parsed.name}`) : [alias];
  const [first, ...more] = places.map((place) => `${place}${end}`);
  if (first === undefined) return text;
  if (more.length > 0) throw ambiguous(text, [first, ...more]);
  return isSameImage(first, text, defaultRegistry) ? text : first;
}

function hasRegistry(name: string): boolean {
  const none = 'none.invalid';
  return placeOf(name, none).registry !== none;
}

function ambiguous(text: string, meanings: readonly string[]): RegistryError {
  return new RegistryError('refused', {
    what: `image name '${text}'`,
    why: `it names no registry, and registries.conf has several for such names (unqualified-search-registries): ${meanings.join(', ')}`,
    hint: 'Give the whole name.',
  });
}
