// Tests of the error catalogue and of the messages that users and administrators read.

import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  DockershError,
  type ErrorCode,
  errorCatalogue,
  hasErrno,
  isErrorCode,
  nativeFailureOf,
  toAdminMessage,
  toDockershError,
  toUserMessage,
} from '../../../src/lib/errors.ts';

const codes = Object.keys(errorCatalogue).filter(isErrorCode);

function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: mount /var/lib/dockersh/7`), {
    code,
    syscall: 'mount',
    path: '/var/lib/dockersh/7',
  });
}

describe('the catalogue', () => {
  test.each(codes)('%s has an exit code of its audience and texts without paths', (code) => {
    const { audience, exitCode, message, hint, adminHint } = errorCatalogue[code];
    if (audience === 'login') expect(exitCode).toBe(125);
    else expect(exitCode).toBeGreaterThanOrEqual(64);
    expect(`${message} ${hint}`).not.toMatch(/(^|\s)\//);
    expect(message).toMatch(/^[a-z].*[^.!?]$/);
    expect(hint).toMatch(/^[A-Z].*\.$/);
    expect(adminHint).toMatch(/^[A-Z].*\.$/);
  });

  test.each(codes)('%s sends nobody to themselves: root is the administrator', (code) => {
    const { audience, hint, adminHint } = errorCatalogue[code];
    expect(adminHint).not.toMatch(/administrator/i);
    if (audience === 'login') expect(hint).not.toMatch(/dockershctl|journalctl|systemctl/);
    expect(new DockershError(code).hint).toBe(adminHint);
  });

  test('keeps its promise of permanent codes', () => {
    const permanent: ErrorCode[] = [
      'E_NO_POLICY',
      'E_IMAGE_MISSING',
      'E_DISK_FULL',
      'E_STOPPING',
      'E_ROOT_LOGIN',
    ];
    expect(codes).toEqual(expect.arrayContaining(permanent));
    expect(isErrorCode('constructor')).toBe(false);
    expect(isErrorCode('__proto__')).toBe(false);
  });
});

describe('messages', () => {
  const failure = new DockershError('E_SANDBOX_START', {
    what: 'sandbox of uid 1000',
    native: { syscall: 'mount', object: '/var/lib/dockersh/7', errno: 'EINVAL' },
  });

  test('an administrator reads everything', () => {
    expect(failure.message).toBe('sandbox of uid 1000: mount /var/lib/dockersh/7: EINVAL');
    expect(toAdminMessage(failure, 'dockershd')).toContain('EINVAL');
  });

  test.each(codes)('a user reads no path of the host: %s', (code) => {
    const detailed = new DockershError(code, {
      what: '/var/lib/x',
      why: '/etc/x',
      hint: 'look at /run/x',
      cause: failure,
    });
    const text = toUserMessage(detailed, '7f3a');
    expect(text).not.toMatch(/\/(var|etc|run)/);
    expect(text).toContain(code);
    expect(text).toContain('session 7f3a');
    expect(text.endsWith('\n')).toBe(true);
  });

  test.each(codes)('a user reads two sentences: %s', (code) => {
    expect(toUserMessage(new DockershError(code), '7f3a')).toMatch(
      /^dockersh: [A-Z][^\n]*\.\ndockersh: [A-Z][^\n]*\. \[E_[A-Z_]+, session 7f3a\]\n$/,
    );
  });

  test('root reads what an administrator can do, where a user is sent to one', () => {
    const told = new DockershError('E_MAINTENANCE', { userDetail: 'back at noon' });
    expect(toUserMessage(told, '7f3a')).toBe(
      'dockersh: Logins are closed for maintenance (back at noon).\ndockersh: Log in again later. [E_MAINTENANCE, session 7f3a]\n',
    );
    expect(toUserMessage(told, '7f3a', 'administrator')).toContain('Run "dockershctl maintenance off"');
    expect(toAdminMessage(told, 'dockershctl')).not.toContain('Log in again');
  });

  test('a detail for the user is shown, and no id is made up', () => {
    const text = toUserMessage(new DockershError('E_IMAGE_MISSING', { userDetail: 'image base' }), undefined);
    expect(text).toContain('(image base)');
    expect(text).not.toContain('session');
  });
});

describe('errors of others', () => {
  test('a full disk is recognised wherever it comes from', () => {
    expect(toDockershError(errno('ENOSPC')).code).toBe('E_DISK_FULL');
    expect(toDockershError(errno('EDQUOT'), 'E_SANDBOX_START').code).toBe('E_DISK_FULL');
    expect(toDockershError(errno('EINVAL'), 'E_SANDBOX_START').code).toBe('E_SANDBOX_START');
  });

  test('anything thrown becomes an internal error that keeps its cause', () => {
    const cause = new TypeError('x is undefined');
    expect(toDockershError(cause)).toMatchObject({ code: 'E_INTERNAL', exitCode: 125, cause });
    expect(toDockershError('text').code).toBe('E_INTERNAL');
    expect(toUserMessage(cause, 'id')).not.toContain('undefined');
  });

  test('what the kernel said is kept', () => {
    expect(nativeFailureOf(errno('EPERM'))).toEqual({
      syscall: 'mount',
      errno: 'EPERM',
      object: '/var/lib/dockersh/7',
    });
    expect(nativeFailureOf(new Error('no'))).toBeUndefined();
    expect(hasErrno(errno('EPERM'), 'ENOENT', 'EPERM')).toBe(true);
    expect(hasErrno('EPERM', 'EPERM')).toBe(false);
    // What Node makes of the kernel's number.
    const node = errno(getSystemErrorName(-constants.errno.EOPNOTSUPP));
    expect(hasErrno(node, 'EOPNOTSUPP')).toBe(true);
    expect(hasErrno(node, 'EPERM')).toBe(false);
  });
});
