// Makes of a table of keys what a section of the policy file needs: validation, types, defaults and the text of the
// reference. One table is the one source of all of them. Pure.

import * as z from 'zod';
import type { Expansion } from './expand.ts';

/**
 * At once, in running sandboxes too; when the user's sandbox next starts; at the next login; with the next
 * pull, push or import.
 */
export type AppliesAt = 'now' | 'sandbox' | 'session' | 'image';

/**
 * What bounds a user's own value where "user_may_set" names the key: root's value is the most (least) there
 * can be, root's list of images holds it, root's share of ports does, or nothing does.
 */
export type UserBound = 'most' | 'least' | 'images' | 'ports' | 'free';

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
  /** A list, which "+=" adds to. */
  readonly list?: true;
  /** %u and the like stand for something; what that may be. */
  readonly expands?: Expansion;
  /** Absent: never the user's to set. */
  readonly user?: UserBound;
}

type KeySpecs = Readonly<Record<string, KeySpec>>;

/** What the reference and the example say about a key. */
export type KeyDoc = Omit<KeySpec, 'type'>;

type SectionShape<Specs extends KeySpecs> = { [K in keyof Specs]: z.ZodOptional<Specs[K]['type']> };

/** The value of a text, or what is wrong with it. */
export type KeyCheck =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; problem: string };

/** A kind of section: its keys, and a schema that takes their texts and refuses every other key. */
export function sectionSchema<const Specs extends KeySpecs>(specs: Specs) {
  const keys = Object.keys(specs) as readonly (keyof Specs & string)[];
  const schema = z.strictObject(
    Object.fromEntries(
      Object.entries(specs).map(([key, { type }]) => [key, type.optional()]),
    ) as SectionShape<Specs>,
  );
  /** Thousands of users have a few values between them. */
  const checked = new Map<string, KeyCheck>();
  const checkAnew = (key: string, text: string): KeyCheck => {
    const result = (specs[key] as KeySpec).type.safeParse(text);
    if (result.success) return { ok: true, value: result.data };
    return { ok: false, problem: result.error.issues[0]?.message ?? 'is not accepted' };
  };
  /** Texts of the keys that have a default. */
  const defaultTexts = (): Record<string, string> =>
    Object.fromEntries(
      Object.entries(specs).flatMap(([key, { defaultText }]) =>
        defaultText === undefined ? [] : [[key, defaultText]],
      ),
    );
  return {
    keys,
    /** Text in, values out. */
    schema,
    has: (key: string): key is keyof Specs & string => Object.hasOwn(specs, key),
    describe: (key: keyof Specs & string): KeyDoc => specs[key] as KeySpec,
    check: (key: keyof Specs & string, text: string): KeyCheck => {
      const name = `${key}=${text}`;
      const known = checked.get(name) ?? checkAnew(key, text);
      if (checked.size < mostRemembered) checked.set(name, known);
      return known;
    },
    defaultTexts,
    /** What holds where the file says nothing. */
    defaults: () => schema.parse(defaultTexts()),
  };
}

const mostRemembered = 10_000;
