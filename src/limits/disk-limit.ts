// Makes entries of the table of limits (table.ts) that are about disks: they differ in a direction, in what they count, and in two words
// of the kernel's. Pure.

import { limit, type Written } from './entry.ts';

export const diskLimit = <const Field extends string>(
  field: Field,
  accepts: { readonly kind: 'size'; readonly least: number } | typeof operations,
  texts: { readonly values: string; readonly doc: string; readonly example: string },
  [name, v1Name]: readonly [version2: string, version1: string],
) => {
  const v1File = `blkio.throttle.${v1Name}_device`;
  return limit<typeof accepts, Field>({
    field,
    accepts,
    defaultText: 'none',
    ...texts,
    applies: 'now',
    user: 'most',
    nothing: null,
    sample: { [field]: 1 } as Readonly<Record<Field, number>>,
    controller: 'io',
    write: (value, { version, disk = '0:0' }): readonly Written[] =>
      version === 2
        ? [{ file: 'io.max', value: `${disk} ${name}=${value ?? 'max'}` }]
        : [{ file: v1File, value: `${disk} ${value ?? 0}` }],
    lift: (version) =>
      version === 2 ? { file: 'io.max', value: `${name}=max` } : { file: v1File, value: '0' },
  });
};
export const rate = { kind: 'size', least: 64 * 1024 } as const;
export const operations = { kind: 'number', least: 10, most: 10_000_000, none: true } as const;
