// From a table of keys to what a section of the policy file needs: validation, types, defaults and the text
// of the reference. One table is the one source of all of them. Pure.

import { z } from 'zod';

/** When the user's sandbox next starts; at the next login; with the next pull, push or import. */
export type AppliesAt = 'sandbox' | 'session' | 'image';

export interface KeySpec {
  readonly type: z.ZodType<unknown, string>;
  /** As an administrator would write it; undefined: no default. */
  readonly defaultText: string | undefined;
  /** The accepted values, for the reference table. */
  readonly values: string;
  readonly applies: AppliesAt;
  readonly doc: string;
  /** A value other than the default, for the example file. */
  readonly example: string;
}

type KeySpecs = Readonly<Record<string, KeySpec>>;

/** What the reference and the example say about a key. */
export type KeyDoc = Omit<KeySpec, 'type'>;

type SectionShape<Specs extends KeySpecs> = { [K in keyof Specs]: z.ZodOptional<Specs[K]['type']> };

/** A kind of section: its keys, and a schema that takes their texts and refuses every other key. */
export function sectionSchema<const Specs extends KeySpecs>(specs: Specs) {
  const keys = Object.keys(specs) as readonly (keyof Specs & string)[];
  const schema = z.strictObject(
    Object.fromEntries(
      Object.entries(specs).map(([key, { type }]) => [key, type.optional()]),
    ) as SectionShape<Specs>,
  );
  return {
    keys,
    schema,
    describe: (key: keyof Specs & string): KeyDoc => specs[key] as KeySpec,
    /** Texts of the keys that have a default. */
    defaultTexts: (): Record<string, string> =>
      Object.fromEntries(
        Object.entries(specs).flatMap(([key, { defaultText }]) =>
          defaultText === undefined ? [] : [[key, defaultText]],
        ),
      ),
  };
}
