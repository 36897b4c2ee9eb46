// Tests of sizes and durations as policy files have them.

import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../../src/lib/text/units.ts';

/** Numbers spread over all magnitudes up to 2^53, half of them multiples of a unit. */
function* quantities(count: number): Generator<number> {
  for (let i = 0; i < count; i += 1) {
    const value = Math.floor(2 ** (Math.random() * 53));
    yield i % 2 === 0 ? value : Math.min(value, 2 ** 13) * 1024 ** (i % 4);
  }
}

describe('sizes', () => {
  test.each([
    ['0B', 0],
    ['512B', 512],
    ['64K', 65_536],
    ['64KiB', 65_536],
    ['512m', 536_870_912],
    ['1.5G', 1_610_612_736],
    ['2T', 2_199_023_255_552],
  ])('%s is %d bytes', (text, value) => {
    expect(parseSize(text)).toEqual({ ok: true, value });
  });

  test.each([
    '',
    '512',
    'M',
    '-1M',
    '1e3M',
    '0x10M',
    '1 M',
    '512MB',
    '1.1B',
    '9007199254740993B',
    '99999T',
    'NaN',
    'none',
  ])('"%s" is no size', (text) => {
    expect(parseSize(text).ok).toBe(false);
  });

  test('what is formatted parses back to the same number', () => {
    for (const bytes of quantities(2000)) {
      expect(parseSize(formatSize(bytes)), String(bytes)).toEqual({ ok: true, value: bytes });
    }
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('%d cannot be formatted', (value) => {
    expect(() => formatSize(value)).toThrow(RangeError);
  });
});

describe('durations', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['forever', Number.POSITIVE_INFINITY],
  ])('%s is %d ms', (text, value) => {
    expect(parseDuration(text)).toEqual({ ok: true, value });
  });

  test.each(['', '30', '-1s', '1.5h', 's', '30m1h', '1s 2ms', '999999999999d', 'Forever', 'none'])(
    '"%s" is no duration',
    (text) => {
      expect(parseDuration(text).ok).toBe(false);
    },
  );

  test('what is formatted parses back to the same number', () => {
    for (const ms of quantities(2000)) {
      expect(parseDuration(formatDuration(ms)), String(ms)).toEqual({ ok: true, value: ms });
    }
    expect(formatDuration(Number.POSITIVE_INFINITY)).toBe('forever');
    expect(formatDuration(0)).toBe('0s');
  });
});
