// Tests of what depends on the sandbox in a session: ids, folder, environment.

import { describe, expect, test } from 'vitest';
import type { SessionSpec } from '../../../src/isolation/engine.ts';
import { recordOf } from '../../../src/isolation/sandbox/record.ts';
import { sessionMessage } from '../../../src/isolation/supervisor/session-message.ts';
import { identityIn, mergeEnvironment, sessionIn } from '../../../src/isolation/supervisor/session-place.ts';
import { seeded } from '../lib/seeded.ts';
import { aSandbox, noLimits } from './records.ts';

describe('environments', () => {
  test('every name once, the later list wins', () => {
    expect(mergeEnvironment(['PATH=/a', 'A=1', 'B=2'], ['A=3', 'C=4'], ['B='])).toEqual([
      'PATH=/a',
      'A=3',
      'B=',
      'C=4',
    ]);
  });

  test('names are whole names, and values may hold anything', () => {
    expect(mergeEnvironment(['A=1', 'AB=2'], ['A=b=c', 'A_=', 'a=\xff\n'])).toEqual([
      'A=b=c',
      'AB=2',
      'A_=',
      'a=\xff\n',
    ]);
    expect(mergeEnvironment([], [])).toEqual([]);
    expect(mergeEnvironment(['FO=1'], ['FOO'])).toEqual(['FO=1']); // what an image's bare name must not take away
  });

  test('as if each assignment were made in turn', () => {
    const random = seeded(9);
    const list = (): string[] =>
      Array.from(
        { length: random.below(8) },
        () => `${random.pick(['A', 'B', 'AB', 'LC_X'])}=${random.below(5)}`,
      );
    for (let round = 0; round < 1000; round += 1) {
      const lists = [list(), list(), list()];
      const expected: Record<string, string> = {};
      for (const [name = '', value = ''] of lists.flat().map((entry) => entry.split('=')))
        expected[name] = value;
      const merged = mergeEnvironment(...lists).map((entry) => entry.split('='));
      expect(Object.fromEntries(merged)).toEqual(expected);
      expect(merged).toHaveLength(Object.keys(expected).length);
    }
  });
});

const imageUser = { uid: 70, gid: 70, groups: [70], name: 'postgres', home: '/var/lib/postgresql' };

function aSession(changes: Partial<SessionSpec> = {}): SessionSpec {
  return {
    id: 's1',
    args: ['-bash'],
    env: ['TERM=xterm', 'XDG_RUNTIME_DIR=/run/user/1000'],
    spareVariables: 0,
    sentVariables: 1,
    program: { kind: 'shell', path: '/bin/bash', announceFallback: true },
    umask: 0o022,
    asImageUser: false,
    limits: noLimits,
    banner: null,
    keep: null,
    offer: null,
    from: undefined,
    tcp: undefined,
    ...changes,
  };
}

function aRecord(image: Partial<ReturnType<typeof aSandbox>['image']> = {}, notice?: string) {
  const sandbox = aSandbox();
  return recordOf({ ...sandbox, notice, image: { ...sandbox.image, ...image } });
}

describe('a session in a sandbox', () => {
  test('of a login starts at home, one of a command where those of the image do', () => {
    const record = aRecord({ workingDir: '/srv' });
    const command = aSession({ program: { kind: 'direct' } });
    expect(sessionIn(record, aSession(), undefined).place.cwd).toBe('/home/tester');
    expect(sessionIn(record, command, undefined).place.cwd).toBe('/srv');
    expect(sessionIn(aRecord(), command, undefined).place.cwd).toBe('/home/tester');
    expect(sessionIn(record, command, imageUser).place.cwd).toBe('/srv');
    expect(sessionIn(aRecord(), command, imageUser).place.cwd).toBe('/'); // the user's home is not this one's
  });

  test('has its own variables over those of the image, and the home that is inside', () => {
    const record = aRecord({ env: ['TERM=dumb', 'LANG=ü', 'HOME=/wrong'] });
    const { env } = sessionIn(record, aSession(), undefined).session;
    expect(env).toContain('TERM=xterm');
    expect(env).toContain('HOME=/home/tester');
    expect(env).toContain(`LANG=${Buffer.from('ü').toString('latin1')}`);
    expect(env).toContain('XDG_RUNTIME_DIR=/run/user/1000');
  });

  test('leaves out what it has no room for, of what may be left out', () => {
    const large = `A=${'x'.repeat(40_000)}`;
    const env = [large, `B${large}`, 'C=1', 'TERM=xterm'];
    const session = aSession({ env, spareVariables: 3, sentVariables: 4 });
    const names = (changes: Partial<SessionSpec>, image = {}): string[] => {
      const { session: made, place } = sessionIn(aRecord(image), { ...session, ...changes }, undefined);
      expect(() => sessionMessage(made, place)).not.toThrow();
      expect(place.ofLogin).toEqual(['TERM=xterm']);
      return made.env
        .map((entry) => entry.split('=')[0] ?? '')
        .filter((name) => /^(?:A|BA|C|TERM)$/.test(name));
    };
    expect(names({})).toEqual(['A', 'C', 'TERM']); // at most 64 KiB of them
    expect(names({ args: ['-c', 'x'.repeat(130_000)] })).toEqual(['A', 'C', 'TERM']);
    expect(names({ args: ['-c', 'x'.repeat(130_000)] }, { env: [`I=${'x'.repeat(30_000)}`] })).toEqual([
      'C',
      'TERM',
    ]);
  });

  test("as the image's user has that one's names, and nothing of the user's run folder", () => {
    const session = aSession({ env: ['HOME=/home/tester', 'USER=tester', 'XDG_RUNTIME_DIR=/run/user/1000'] });
    const { env } = sessionIn(aRecord(), session, imageUser).session;
    expect([...env].sort()).toEqual(['HOME=/var/lib/postgresql', 'LOGNAME=postgres', 'USER=postgres']);
  });

  test('is told what everybody is told here, after its own banner', () => {
    const banner = (own: string | null, notice?: string) =>
      sessionIn(aRecord({}, notice), aSession({ banner: own }), undefined).session.banner;
    expect(banner(null)).toBe(null);
    expect(banner('own')).toBe('own');
    expect(banner(null, 'all')).toBe('all');
    expect(banner('own', 'all')).toBe('own\nall');
  });

  test("gets other ids than the user's only where it asks for them and somebody can say which", () => {
    const asked = aSession({ asImageUser: true });
    expect(identityIn(aRecord({ user: imageUser }), aSession())).toBeUndefined();
    expect(identityIn(aRecord(), asked)).toBeUndefined();
    expect(identityIn(aRecord({ user: imageUser }), asked)).toEqual(imageUser);
    const unknown = aRecord({ user: { why: 'no such user' } });
    expect(identityIn(unknown, aSession())).toBeUndefined();
    expect(() => identityIn(unknown, asked)).toThrow(expect.objectContaining({ code: 'E_SESSION_START' }));
  });
});
