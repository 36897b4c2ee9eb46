// The manifest of an archive with a user's data is read however its bytes come, and what follows it is left as it is.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ArchiveManifest, manifestBytes, readManifest } from '../../../src/users/archive/manifest.ts';

const manifest = (snapshots: number): ArchiveManifest => ({
  dockersh: 'user',
  version: 1,
  createdAt: new Date(0).toISOString(),
  user: { name: 'ada', uid: 1000 },
  ids: { uid: 1000, gid: 1000, groups: [] },
  trees: Array.from({ length: snapshots }, (_, index) => ({
    kind: 'snapshot' as const,
    name: `s${index}`,
    info: { createdAt: new Date(index).toISOString(), sizeBytes: index, files: 0 },
  })),
});

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

it('comes in pieces of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.uint8Array({ maxLength: 2000 }),
      async (snapshots, size, tail) => {
        const wanted = manifest(snapshots);
        const all = Buffer.concat([manifestBytes(wanted), tail]);
        const read = await readManifest(inChunks(all, size));
        expect(read.manifest).toEqual(wanted);
        const rest: Uint8Array[] = [];
        for await (const chunk of read.rest) rest.push(chunk);
        expect(Buffer.concat(rest).equals(Buffer.from(tail))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

it('is refused where it is cut, or is anything else', async () => {
  const whole = manifestBytes(manifest(3));
  for (const length of [0, 1, 511, 512, 513, whole.length - 1])
    await expect(readManifest(inChunks(whole.subarray(0, length), 100))).rejects.toThrow('ends too early');
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 511 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const other = Buffer.from(whole);
      other.writeUInt8((other[at] ?? 0) ^ flip, at);
      await expect(readManifest(inChunks(other, 4096))).rejects.toThrow(/has written|too early/);
    }),
  );
});
