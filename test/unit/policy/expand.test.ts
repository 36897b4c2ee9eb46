// Settings with a user's name in them.

import { describe, expect, it } from 'vitest';
import { expand, sampleSubject } from '../../../src/policy/expand.ts';

describe('a name that becomes part of a host name', () => {
  const expanded = (text: string, name: string): string => {
    const result = expand(text, { ...sampleSubject, name }, 'label');
    return result.ok ? result.text : '';
  };

  it('stays as it is where there is room', () => {
    expect(expanded('%u-box', 'ada')).toBe('ada-box');
    expect(expanded('%u-box', `${'a'.repeat(59)}`)).toBe(`${'a'.repeat(59)}-box`);
    expect(expanded('%u.lab', `${'a'.repeat(60)}`)).toBe(`${'a'.repeat(60)}.lab`);
  });

  it('is shortened where there is none, and stays another one than others that begin so', () => {
    const long = 'some.quite.long.user.name.of.a.directory.server.department@lab.example';
    const [one, other] = [expanded('%u-box', long), expanded('%u-box', `${long}s`)];
    expect(one).toMatch(/^some\.quite\.long\.user\.name\.of\.a\.directory\.server\.depart-[0-9a-f]{8}$/);
    expect(one).toBe(expanded('%u-box', long));
    expect(other).not.toBe(one);
    for (const name of [
      'a'.repeat(64),
      `${'a'.repeat(53)}.${'b'.repeat(63)}`,
      `${'a'.repeat(54)}-b.${'c'.repeat(60)}`,
    ]) {
      const text = expanded('%u', name);
      expect(text.length).toBeLessThanOrEqual(63);
      expect(text).toMatch(/^a+-[0-9a-f]{8}$/);
    }
  });
});
