// Tests of names, digests, the index, compression, and the accounts of the image `host`.

import { describe, expect, it } from 'vitest';
import { compressionOf } from '../../../src/images/blobs/compression.ts';
import { digestFromHex, digestOf, digestSchema, hexOf } from '../../../src/images/digest.ts';
import { systemGroup, systemPasswd } from '../../../src/images/host/accounts.ts';
import { type ImageIndex, imageManifest, ociArchitecture } from '../../../src/images/oci.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import { parseReference, writableKey } from '../../../src/images/reference.ts';
import {
  findNamed,
  indexDigestsOf,
  refNameOf,
  withIndexDigests,
  withoutName,
  withoutTag,
  withTag,
} from '../../../src/images/store/index-file.ts';
import { imageSpellings, isSameImage, wholeImageName } from '../../../src/lib/text/image-name.ts';

const digest = digestOf('some content');

describe('names', () => {
  it.each([
    ['debian', { kind: 'tag', key: 'debian:latest' }],
    ['debian:trixie', { kind: 'tag', key: 'debian:trixie' }],
    ['localhost:5000/lab/base', { kind: 'tag', key: 'localhost:5000/lab/base:latest' }],
    [`debian@${digest}`, { kind: 'digest', digest }],
    [`debian:trixie@${digest}`, { kind: 'digest', digest }],
    ['0123456789ab', { kind: 'tag', key: '0123456789ab:latest', id: '0123456789ab' }],
    [digest, { kind: 'tag', key: digest, id: hexOf(digest) }],
    ['abc', { kind: 'tag', key: 'abc:latest' }],
    ['0123456789ab:1', { kind: 'tag', key: '0123456789ab:1' }],
    ['lab/0123456789ab', { kind: 'tag', key: 'lab/0123456789ab:latest' }],
    ['host', { kind: 'host' }],
    ['host:latest', { kind: 'host' }],
  ])('%s', (text, reference) => {
    expect(parseReference(text)).toEqual(reference);
  });

  it.each([
    '',
    'Debian',
    'a b',
    '../x',
    'a//b',
    'a:',
    ':b',
    '-x',
    'host:other',
    'a'.repeat(300),
    'a@sha512:00',
  ])('no name: %s', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });

  it('that mean the same image are one', () => {
    const ways = imageSpellings('debian');
    expect(ways).toContain('docker.io/library/debian:latest');
    for (const way of ways) {
      expect(wholeImageName(way)).toBe('docker.io/library/debian:latest');
      expect(isSameImage(way, 'debian')).toBe(true);
      expect(imageSpellings(way)).toEqual(expect.arrayContaining(ways));
    }
    expect(isSameImage('debian', 'lab.example/debian', 'lab.example')).toBe(true);
    expect(isSameImage('debian', 'docker.io/library/debian', 'lab.example')).toBe(false);
    expect(isSameImage('host', 'docker.io/library/host')).toBe(false);
    expect(wholeImageName('[::1]:5000/lab/base')).toBe('[::1]:5000/lab/base:latest');
    expect(parseReference('[2001:db8::7]/lab/base:1')).toEqual({
      kind: 'tag',
      key: '[2001:db8::7]/lab/base:1',
    });
    for (const text of ['[::1/lab/base', '[x]/lab/base', '[]/a', '[::1]']) {
      expect(parseReference(text)).toBeUndefined();
    }
  });

  it('may be made and removed unless they are reserved or fixed', () => {
    expect(writableKey('debian')).toBe('debian:latest');
    for (const name of ['host', 'Host', `debian@${digest}`]) expect(() => writableKey(name)).toThrow(name);
  });
});

describe('digests', () => {
  it('are sha256 and 64 digits, and nothing else', () => {
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(digestFromHex(hexOf(digest))).toBe(digest);
    for (const text of [
      'sha256:../../etc',
      `sha256:${'A'.repeat(64)}`,
      `${digest}\n`,
      `sha512:${'0'.repeat(64)}`,
    ]) {
      expect(digestSchema.safeParse(text).success).toBe(false);
    }
  });
});

describe('the index', () => {
  const empty: ImageIndex = { schemaVersion: 2, manifests: [] };
  const entry = { mediaType: 'x', digest, size: 1 };

  it('has one manifest for a name, and forgets nothing else', () => {
    const other = { ...empty, manifests: [entry], annotations: { kept: 'yes' } };
    const one = withTag(other, 'a:latest', entry);
    const two = withTag(withTag(one, 'b:latest', entry), 'a:latest', { ...entry, size: 2 });
    expect(two.manifests.map(refNameOf)).toEqual([undefined, 'b:latest', 'a:latest']);
    expect(two.manifests.at(-1)?.size).toBe(2);
    expect(two['annotations']).toEqual({ kept: 'yes' });
    expect(withoutTag(two, 'a:latest').manifests.map(refNameOf)).toEqual([undefined, 'b:latest']);
    expect(withoutTag(two, 'c:latest')).toEqual(two);
  });

  it('knows by which indexes a manifest came, and forgets none while it is the same', () => {
    const [first, second] = [digestOf('first index'), digestOf('second index')];
    const one = withTag(empty, 'a:latest', withIndexDigests(entry, [first]));
    const two = withTag(one, 'a:latest', withIndexDigests(entry, [second]));
    expect(two.manifests.map(indexDigestsOf)).toEqual([[second, first]]);
    expect(withTag(two, 'a:latest', entry).manifests.map(indexDigestsOf)).toEqual([[second, first]]);
    const moved = withTag(two, 'a:latest', { ...entry, digest: digestOf('another') });
    expect(moved.manifests.map(indexDigestsOf)).toEqual([[]]);
    const named = two.manifests.map(withoutName);
    expect(named.map(refNameOf)).toEqual([undefined]);
    expect(named.map(indexDigestsOf)).toEqual([[second, first]]);
    const odd = { ...entry, annotations: { 'dockersh.index.digests': `x ${first} sha256:../../y` } };
    expect(indexDigestsOf(odd)).toEqual([first]);
    const many = Array.from({ length: 100 }, (_, number) => digestOf(String(number)));
    expect(indexDigestsOf(withIndexDigests(entry, many))).toEqual(many.slice(0, 32));
  });

  it('has one entry for all spellings of a name', () => {
    const entry = { mediaType: 'x', digest, size: 1 };
    const one = withTag({ schemaVersion: 2, manifests: [] }, 'debian:latest', entry);
    const two = withTag(one, 'docker.io/library/debian:latest', { ...entry, size: 2 });
    expect(two.manifests).toMatchObject([{ size: 2 }]);
    expect(findNamed(two, 'debian:latest', 'docker.io')).toMatchObject({ size: 2 });
    expect(findNamed(two, 'debian:latest', 'lab.example')).toBeUndefined();
  });

  it('is not believed where it names what is no digest', () => {
    const config = { mediaType: 'x', digest: 'sha256:../../../etc/shadow', size: 1 };
    expect(imageManifest.safeParse({ schemaVersion: 2, config, layers: [entry] }).success).toBe(false);
  });
});

describe('compression', () => {
  it('is told by the first bytes', () => {
    expect(compressionOf(Buffer.from('1f8b0800', 'hex'))).toBe('gzip');
    expect(compressionOf(Buffer.from('28b52ffd', 'hex'))).toBe('zstd');
    expect(compressionOf(Buffer.from('502a4d18', 'hex'))).toBe('zstd');
    expect(compressionOf(Buffer.from('5f2a4d18', 'hex'))).toBe('zstd');
    expect(compressionOf(Buffer.from('602a4d18', 'hex'))).toBe('none');
    expect(compressionOf(Buffer.from('fd377a585a00', 'hex'))).toBe('xz');
    expect(compressionOf(Buffer.from('BZh9'))).toBe('bzip2');
    for (const head of ['', '1f', 'etc/pa']) expect(compressionOf(Buffer.from(head))).toBe('none');
  });
});

describe('accounts of the host', () => {
  it('leave out people, passwords, members, NIS and what is malformed', () => {
    expect(
      systemPasswd(
        'root:h:0:0:r:/root:/bin/sh\n\n#x\n+@team::::::\nann:x:1000:1::/:/bin/sh\nbad:x:1\ndns:x:-1:0::/:/\n',
      ),
    ).toBe('root:x:0:0:r:/root:/bin/sh\n');
    expect(systemGroup('adm:x:4:ann,bob\nann:x:1000:\nnogroup:x:65534:\nbad:x\n')).toBe(
      'adm:x:4:\nnogroup:x:65534:\n',
    );
  });
});

it.each([
  ['linux/amd64', { architecture: 'amd64', variant: undefined }],
  ['arm64', { architecture: 'arm64', variant: undefined }],
  ['Linux/ARM/v7', { architecture: 'arm', variant: 'v7' }],
  ['x86_64', { architecture: 'amd64', variant: undefined }],
  ['linux/aarch64', { architecture: 'arm64', variant: undefined }],
  // What every object has is no other name of a machine.
  ['linux/__proto__', { architecture: '__proto__', variant: undefined }],
  ['constructor', { architecture: 'constructor', variant: undefined }],
])('a platform: %s', (text, platform) => {
  expect(parsePlatform(text)).toEqual(platform);
});

it.each(['', 'linux', 'windows/amd64', 'linux/', '/amd64', 'linux/arm/v7/x', 'linux/a m', '../x', 'arm/v7'])(
  'no platform: %s',
  (text) => {
    expect(() => parsePlatform(text)).toThrow('platform');
  },
);

it('spells architectures as Go does', () => {
  expect(['x64', 'arm64', 'ia32', 'riscv64'].map(ociArchitecture)).toEqual([
    'amd64',
    'arm64',
    '386',
    'riscv64',
  ]);
});
