// Moments as people write them, for dockershctl audit.

import { describe, expect, it } from 'vitest';
import { parseMoment } from '../../../src/cli/moment.ts';

const now = Date.UTC(2026, 10, 29, 12);

describe('a moment', () => {
  it.each([
    ['2h', new Date(now - 7_200_000).toISOString()],
    ['0', new Date(now).toISOString()],
    ['2026-11-29', new Date(2026, 10, 29).toISOString()],
    ['2026-11-29 14:30', new Date(2026, 10, 29, 14, 30).toISOString()],
    ['2026-11-29T14:30:05', new Date(2026, 10, 29, 14, 30, 5).toISOString()],
    ['2026-11-29T14:30:05Z', '2026-11-29T14:30:05.000Z'],
    ['2026-11-29T14:30:05+02:00', '2026-11-29T12:30:05.000Z'],
  ])('%s', (text, moment) => {
    expect(parseMoment(text, now)).toBe(moment);
  });

  it.each(['', 'yesterday', '2026-02-31', '2026-13-01', '14:30', 'forever', '12'])('is not %j', (text) => {
    expect(parseMoment(text, now)).toBeUndefined();
  });
});
