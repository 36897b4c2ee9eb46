// Tests of the schemas of the admin protocol.

import { describe, expect, it } from 'vitest';
import { adminRequest } from '../../../src/protocol/admin.ts';

const accepts = (value: unknown): boolean => adminRequest.safeParse(value).success;

describe('adminRequest', () => {
  it.each([
    [{ version: 1, verb: 'ps', params: {} }],
    [{ version: 1, verb: 'stop', params: { user: 'ada' } }],
    [{ version: 1, verb: 'image.import', params: { name: 'base', path: '/srv/base.tar' } }],
    [{ version: 1, verb: 'logins', params: {} }],
    [{ version: 1, verb: 'logins', params: { id: 'k3x9', limit: 1 } }],
  ])('accepts %j', (value) => {
    expect(accepts(value)).toBe(true);
  });

  it.each([
    [null],
    [{ verb: 'ps', params: {} }],
    [{ version: 2, verb: 'ps', params: {} }],
    [{ version: 1, verb: 'toString', params: {} }],
    [{ version: 1, verb: 'ps' }],
    [{ version: 1, verb: 'ps', params: { all: true } }],
    [{ version: 1, verb: 'ps', params: {}, extra: 1 }],
    [{ version: 1, verb: 'stop', params: { user: '' } }],
    [{ version: 1, verb: 'stop', params: { user: 'a'.repeat(257) } }],
    [{ version: 1, verb: 'image.import', params: { name: 'base', path: 'relative' } }],
    [{ version: 1, verb: 'image.import', params: { name: 'base', path: '/nul\0' } }],
    [{ version: 1, verb: 'image.import', params: { name: 'base', path: `/${'a'.repeat(4096)}` } }],
    [{ version: 1, verb: 'logins', params: { limit: 0 } }],
  ])('refuses %j', (value) => {
    expect(accepts(value)).toBe(false);
  });
});
