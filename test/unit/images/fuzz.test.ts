// Fuzzes what an image's maker wrote: documents, names of platforms, and how bytes are compressed.

import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect } from 'vitest';
import { compressionOf, decompressor, sniff } from '../../../src/images/blobs/compression.ts';
import { MemberList } from '../../../src/images/import/list-archive.ts';
import { descriptor, imageConfig, imageIndex, imageManifest, maxLayers } from '../../../src/images/oci.ts';
import {
  describePlatform,
  fittingEntries,
  fittingVariants,
  listPlatforms,
  parsePlatform,
} from '../../../src/images/platform.ts';
import { parseReference, writableKey } from '../../../src/images/reference.ts';
import { DockershError } from '../../../src/lib/errors.ts';
import { holds, textOf } from '../lib/holds.ts';

const digest = fc.oneof(
  fc.stringMatching(/^sha256:[0-9a-f]{64}$/),
  fc.constantFrom(
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}/`,
    '../../etc/passwd',
    `sha512:${'a'.repeat(128)}`,
  ),
  fc.string(),
);
const size = fc.oneof(fc.nat(), fc.constantFrom<unknown>(-1, 1.5, '5', 1e300, null));
const platform = fc.record(
  {
    os: fc.constantFrom('linux', 'windows', 'unknown', ''),
    architecture: fc.constantFrom('amd64', 'arm', 'arm64', 'constructor', 'unknown'),
    variant: fc.constantFrom('v7', 'v8', ''),
  },
  { requiredKeys: ['os', 'architecture'] },
);
const entry = fc.record(
  { mediaType: fc.string(), digest, size, platform, annotations: fc.dictionary(fc.string(), fc.string()) },
  { requiredKeys: ['mediaType', 'digest', 'size'] },
);
const schemaVersion = fc.constantFrom<unknown>(2, 1, '2', undefined);
const layers = fc.oneof(
  fc.array(entry, { maxLength: 4 }),
  fc
    .tuple(entry, fc.integer({ min: 250, max: 260 }))
    .map(([one, count]) => Array.from({ length: count }, () => one)),
);
const document = fc.oneof(
  fc.record({ schemaVersion, config: entry, layers, manifests: fc.array(entry, { maxLength: 4 }) }),
  fc.record({
    architecture: fc.string(),
    os: fc.string(),
    rootfs: fc.record({ type: fc.constantFrom('layers', 'x'), diff_ids: fc.array(digest, { maxLength: 4 }) }),
    config: fc.record(
      { Env: fc.array(fc.anything(), { maxLength: 3 }), User: fc.string() },
      { requiredKeys: [] },
    ),
    history: fc.array(fc.object(), { maxLength: 3 }),
  }),
  fc.anything(),
);

const isDigest = /^sha256:[0-9a-f]{64}$/;
holds(
  'a document is refused, or every digest in it is one, and nothing is counted that cannot be',
  fc.property(document, (content) => {
    const value: unknown = JSON.parse(JSON.stringify(content) ?? 'null');
    const manifest = imageManifest.safeParse(value).data;
    const blobs = [...(manifest === undefined ? [] : [manifest.config, ...manifest.layers])];
    blobs.push(...(imageIndex.safeParse(value).data?.manifests ?? []));
    for (const blob of blobs) {
      expect(blob.digest).toMatch(isDigest);
      expect(Number.isSafeInteger(blob.size) && blob.size >= 0).toBe(true);
    }
    if (manifest !== undefined) expect(manifest.layers.length).toBeLessThanOrEqual(maxLayers);
    for (const diffId of imageConfig.safeParse(value).data?.rootfs.diff_ids ?? [])
      expect(diffId).toMatch(isDigest);
  }),
  1500,
);

holds(
  'the manifest that is chosen is for the machine that was asked for',
  fc.property(
    fc.array(entry, { maxLength: 6 }),
    fc.constantFrom('amd64', 'linux/arm/v7', 'arm', 'linux/arm64/v8'),
    (list, text) => {
      const known = list.flatMap((one) => descriptor.safeParse(one).data ?? []);
      const wanted = parsePlatform(text);
      const chosen = fittingEntries(known, wanted)[0]?.platform;
      if (chosen === undefined) return;
      expect(chosen.os).toMatch(/^(linux)?$/);
      expect(chosen.architecture).toBe(wanted.architecture);
      const variant =
        wanted.architecture === 'arm64' && chosen.variant === 'v8' ? '' : (chosen.variant ?? '');
      const variants =
        wanted.architecture === 'amd64' && variant === 'v1' ? [variant] : fittingVariants(wanted);
      expect(variants).toContain(variant);
      expect(listPlatforms(known)).toContain(wanted.architecture);
    },
  ),
);

/** What `work` gives; undefined where it refuses with E_USAGE. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_USAGE') return undefined;
    throw error;
  }
}

holds(
  'platforms are refused, or come back as they are described',
  fc.property(textOf('linux', '/', 'arm', 'v7', 'x86_64', 'windows', '__proto__', ' '), (text) => {
    const parsed = unlessRefused(() => parsePlatform(text));
    if (parsed !== undefined) expect(parsePlatform(describePlatform(parsed))).toEqual(parsed);
  }),
);

holds(
  'a name that the store writes is read as the same name again, and is never the host',
  fc.property(textOf('host', 'a', 'sha256', ':', '/', '@', 'f'.repeat(64), 'latest', '.', 'A'), (text) => {
    const key = unlessRefused(() => writableKey(text));
    if (key === undefined) return;
    expect(parseReference(key)).toMatchObject({ kind: 'tag', key });
    expect(key.split(':')[0]).not.toBe('host');
  }),
  1500,
);

/** Bytes in pieces of any lengths. */
const pieces = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 12 });
const magic = fc.constantFrom(
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
  [0x42, 0x5a, 0x68],
  [],
);
holds(
  'how bytes are compressed is told whatever pieces they come in, and none of them is lost',
  fc.asyncProperty(magic, pieces, fc.nat(6), async (head, rest, cut) => {
    const all = [Uint8Array.from(head.slice(0, cut)), Uint8Array.from(head.slice(cut)), ...rest];
    const whole = Buffer.concat(all);
    const { compression, stream } = await sniff(Readable.from(all, { objectMode: true }));
    expect(compression).toBe(compressionOf(whole));
    expect(Buffer.concat(await stream.toArray())).toEqual(whole);
  }),
);

async function undone(compression: 'gzip' | 'zstd', bytes: Uint8Array): Promise<Buffer | undefined> {
  const undo = decompressor('x', compression);
  if (undo === undefined) return undefined;
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  try {
    await pipeline(Readable.from([bytes]), undo, sink);
    return Buffer.concat(chunks);
  } catch (error) {
    // zlib's codes: what is damaged is an error, and no other one.
    expect((error as NodeJS.ErrnoException).code).toMatch(/^(?:Z_|ZSTD_|ERR_)/);
    return undefined;
  }
}

holds(
  'compressed bytes that are damaged end with an error, or with what they were made of',
  fc.asyncProperty(
    fc.uint8Array({ minLength: 1, maxLength: 400 }),
    fc.constantFrom('gzip', 'zstd'),
    fc.nat(),
    fc.nat(255),
    async (bytes, compression, at, byte) => {
      const packed = compression === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes);
      expect(await undone(compression, packed)).toEqual(Buffer.from(bytes));
      packed[at % packed.length] = byte;
      const result = await undone(compression, packed);
      if (compression === 'gzip' && result !== undefined && result.length > 0)
        expect(result).toEqual(gunzipSync(packed));
      expect(result?.length ?? 0).toBeLessThan(200_000_000);
    },
  ),
  200,
);

const name = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => !text.includes('\0'));
const member = fc.record({
  kind: fc.constantFrom('file', 'link', 'other'),
  name,
  link: name,
  offset: fc.nat(),
  size: fc.nat(),
});
holds(
  "the members of a tar are the same whatever pieces the program's list comes in",
  fc.property(
    fc.array(member, { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 20 })),
    (members, cuts) => {
      const letters = { file: 'f', link: 'l', other: 'o' };
      const lines = members.map(
        (one) =>
          `${letters[one.kind as keyof typeof letters]} ${one.offset} ${one.size} ${one.name}\0${one.link}\0`,
      );
      const bytes = Buffer.from(lines.join(''));
      const list = new MemberList();
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        expect(list.take(bytes.subarray(at, at + cut))).toBe(true);
        at += cut;
      }
      expect(list.members).toEqual(
        members.map((one) => ({
          ...one,
          name: Buffer.from(one.name).toString(),
          link: Buffer.from(one.link).toString(),
        })),
      );
    },
  ),
);

holds(
  'a list that is none or has no end is not taken for ever',
  fc.property(
    fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Buffer.alloc(64 * 1024, 'x'))), {
      maxLength: 100,
    }),
    (pieces) => {
      const list = new MemberList();
      const taken = pieces.findIndex((piece) => !list.take(Buffer.from(piece)));
      if (pieces.some((piece) => piece.length > 40)) expect(taken).toBeGreaterThanOrEqual(0);
      for (const { offset, size } of list.members) expect(offset >= 0 && size >= 0).toBe(true);
    },
  ),
  200,
);
