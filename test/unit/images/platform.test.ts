// Chooses among the images of an index for machines of all kinds.

import { describe, expect, it } from 'vitest';
import { whyNoImage } from '../../../src/images/artifact.ts';
import { descriptor, mediaTypes } from '../../../src/images/oci.ts';
import {
  amd64Level,
  fitsPlatform,
  fittingEntries,
  fittingVariants,
  parsePlatform,
} from '../../../src/images/platform.ts';

const entry = (text: string) => {
  const [os, architecture, variant] = text.split('/');
  const digest = `sha256:${'0'.repeat(64)}`;
  const platform = { os, architecture, variant };
  return descriptor.parse({ mediaType: mediaTypes.manifest, digest, size: 1, platform });
};
const names = (wanted: string, level: number, ...entries: string[]): string[] =>
  fittingEntries(entries.map(entry), parsePlatform(wanted), level).map(({ platform }) =>
    [platform?.os, platform?.architecture, ...(platform?.variant ? [platform.variant] : [])].join('/'),
  );

describe('variants', () => {
  it.each([
    ['amd64', 1, ['']],
    ['amd64', 3, ['v3', 'v2', '']],
    ['linux/amd64/v4', 1, ['v4', 'v3', 'v2', '']],
    ['linux/amd64/v1', 4, ['']],
    ['arm64', 1, ['']],
    ['linux/arm64/v8', 1, ['']],
    ['linux/arm64/v9', 1, ['v9', '']],
    ['arm', 1, ['v7', 'v6', 'v5', '']],
    ['linux/arm/v6', 1, ['v6', 'v5', '']],
    ['linux/mips64/r6', 1, ['r6']],
    ['riscv64', 1, undefined],
  ])('for %s on level %i', (wanted, level, variants) => {
    expect(fittingVariants(parsePlatform(wanted), level)).toEqual(variants);
  });

  it('come best first, and none that would not run', () => {
    const all = ['linux/amd64/v4', 'linux/amd64', 'windows/amd64', 'linux/amd64/v2', 'linux/arm64'];
    expect(names('amd64', 1, ...all)).toEqual(['linux/amd64']);
    expect(names('amd64', 3, ...all)).toEqual(['linux/amd64/v2', 'linux/amd64']);
    expect(names('amd64', 4, ...all)).toEqual(['linux/amd64/v4', 'linux/amd64/v2', 'linux/amd64']);
    expect(names('amd64', 1, 'linux/amd64/v4')).toEqual([]);
    expect(names('amd64', 1, 'linux/amd64/v1')).toEqual(['linux/amd64/v1']);
    expect(names('arm64', 1, 'linux/arm64/v8')).toEqual(['linux/arm64/v8']);
    expect(names('linux/arm64/v8', 1, 'linux/arm64')).toEqual(['linux/arm64']);
    expect(names('riscv64', 1, 'linux/riscv64/x', 'linux/riscv64')).toEqual([
      'linux/riscv64',
      'linux/riscv64/x',
    ]);
  });

  it('are asked of a configuration as well', () => {
    const image = { os: 'linux', architecture: 'amd64' };
    expect(fitsPlatform({ ...image, variant: 'v4' }, parsePlatform('linux/amd64/v1'))).toBe(false);
    expect(fitsPlatform({ ...image, variant: 'v2' }, parsePlatform('linux/amd64/v4'))).toBe(true);
    expect(fitsPlatform({ os: 'linux', architecture: '' }, parsePlatform('arm64'))).toBe(true);
    expect(fitsPlatform({ os: 'windows', architecture: '' }, parsePlatform('arm64'))).toBe(false);
  });

  it('of this machine are in /proc/cpuinfo', () => {
    const v2 = 'cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3';
    const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
    const cpuinfo = (flags: string): string => `processor\t: 0\nflags\t\t: fpu ${flags}\nbugs\t\t:\n`;
    expect(amd64Level(cpuinfo('sse2'))).toBe(1);
    expect(amd64Level(cpuinfo(v2))).toBe(2);
    expect(amd64Level(cpuinfo(v3))).toBe(3);
    expect(amd64Level(cpuinfo(v3.replace('movbe', '')))).toBe(2);
    expect(amd64Level(cpuinfo(`${v3} avx512f avx512bw avx512cd avx512dq avx512vl`))).toBe(4);
    expect(amd64Level('')).toBe(1);
  });
});

it.each([
  [
    'a Helm chart',
    'application/vnd.cncf.helm.config.v1+json',
    'application/vnd.cncf.helm.chart.content.v1.tar',
  ],
  ['a signature', mediaTypes.config, 'application/vnd.dev.cosign.simplesigning.v1+json'],
  ['an attestation', mediaTypes.config, 'application/vnd.in-toto+json'],
  ['a bill of materials', 'application/vnd.oci.empty.v1+json', 'text/spdx+json'],
  ['of the kind application/vnd.x', 'application/vnd.x', mediaTypes.layerGzip],
  ['encrypted', mediaTypes.config, `${mediaTypes.layerGzip}+encrypted`],
])('%s is called so', (kind, config, layer) => {
  const why = whyNoImage({ config: { mediaType: config }, layers: [{ mediaType: layer }] });
  expect(why).toContain(kind);
  const image = { config: { mediaType: mediaTypes.config }, layers: [{ mediaType: mediaTypes.dockerLayer }] };
  expect(whyNoImage(image)).toBeUndefined();
});
