// Tests of the bound on the size of a session.

import { describe, expect, test } from 'vitest';
import type { SessionSpec } from '../../../src/isolation/engine.ts';
import { sessionMessage } from '../../../src/isolation/supervisor/session-message.ts';
import { requireUsable, sessionMaxBytes } from '../../../src/isolation/supervisor/session-size.ts';
import { wireMaxBytes } from '../../../src/lib/wire.ts';

const limits = {
  ...{ nice: 0, openFiles: null, fileSizeBytes: null, lockedBytes: null, stackBytes: null },
  ...{ processTimeMs: null, mostSessions: null, sessionTimeMs: null, idleTimeMs: null },
};

function message(command: number, variables: number, image: number): Buffer {
  const ofLogin = [`LC_A=${'x'.repeat(variables)}`];
  const ofImage = [`I=${'x'.repeat(image)}`];
  const session: SessionSpec = {
    ...{
      id: 'id',
      umask: 0o22,
      from: undefined,
      tcp: undefined,
      banner: null,
      keep: null,
      offer: null,
      asImageUser: false,
      limits,
    },
    args: ['', '-c', 'x'.repeat(command)],
    env: [...ofImage, ...ofLogin],
    spareVariables: 0,
    sentVariables: 1,
    program: { kind: 'shell', path: '/bin/sh', announceFallback: false },
  };
  const note = { startedAt: 'now' };
  return sessionMessage(session, { cwd: '/', identity: undefined, note, ofImage, ofLogin });
}

describe('a session', () => {
  test('with all that each part has a share of fits, with room for what the supervisor adds', () => {
    const kib = 1024;
    expect(message(131 * kib, 23 * kib, 23 * kib).length).toBeLessThan(sessionMaxBytes);
    expect(wireMaxBytes - sessionMaxBytes).toBeGreaterThan(4 * 256 + 4 * 12 + 8 + 56); // groups, ids, SSH_TTY
  });

  test.each([
    ['the command', [199_000, 10, 10], /^[^,]*the command: 195 KiB;/],
    [
      'what was sent',
      [100_000, 70_000, 30_000],
      /the variables that came with the login: 69 KiB, the variables of the image/,
    ],
    ['the image', [1_000, 1_000, 197_000], /^[^,]*the variables of the image: 193 KiB;/],
  ] as const)('is refused where it is too large: %s', (_, [command, variables, image], what) => {
    expect(() => message(command, variables, image)).toThrow(what);
    expect(() => message(command, variables, image)).toThrow(
      expect.objectContaining({ code: 'E_TOO_LARGE' }),
    );
  });
});

test.each([
  ['too much', Array.from({ length: 200 }, (_, index) => `V${index}=${'x'.repeat(1000)}`)],
  ['too many', Array.from({ length: 4000 }, (_, index) => `V${index}=`)],
  ['one that no program can be given', [`V=${'x'.repeat(131_072)}`]],
])('an image of %s is told before its sandbox is started', (_, env) => {
  expect(() => requireUsable('lab/big', env)).toThrow(/image "lab\/big" is too large for any session/);
  requireUsable(
    'lab/fine',
    env.slice(0, 100).map((entry) => entry.slice(0, 900)),
  );
});
