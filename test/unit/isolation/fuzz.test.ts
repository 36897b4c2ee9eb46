// Fuzzes what stands between an account and its sandbox: files of the host's and of an image's that are parsed, and
// the records of running sandboxes.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import { cgroupMounts } from '../../../src/isolation/cgroup/hierarchies.ts';
import { firstRange, idMap, rangeSize } from '../../../src/isolation/ids.ts';
import { homeInside } from '../../../src/isolation/sandbox/home-inside.ts';
import { recordOf, SandboxRecord } from '../../../src/isolation/sandbox/record.ts';
import { sessionMessage } from '../../../src/isolation/supervisor/session-message.ts';
import type { DockershError } from '../../../src/lib/errors.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { parseWire } from '../../../src/lib/wire.ts';
import { groupText, passwdText, subordinateText } from '../../../src/users/identity-layer.ts';
import { chooseSlot, parseSubordinate, SlotRegistry, slotCount } from '../../../src/users/slot-registry.ts';
import { holds, longRunOf, textOf } from '../lib/holds.ts';
import { aSandbox, aUser } from './records.ts';

const colons = textOf(
  'root',
  'tester',
  ':',
  '0',
  '1000',
  '01000',
  '+1000',
  ' 1000',
  '\n',
  'x',
  '*',
  '/bin/sh',
  '\0',
  'lab',
);

/** As getpwuid(3) finds it: the first line whose third field is that number. */
const withId = (text: string, id: number): string[] | undefined =>
  text
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields.length >= 3 && fields[2] !== '' && Number(fields[2]) === id);

holds(
  "whatever an image's passwd says, the user's uid and name mean the user",
  fc.property(colons, colons, (image, gecos) => {
    const user = aUser({ gecos });
    const text = passwdText(image, { user, shell: '/bin/bash' }, '/home/tester');
    expect(withId(text, user.uid)?.[0]).toBe(user.name);
    const named = text.split('\n').filter((line) => line.startsWith(`${user.name}:`));
    expect(named.map((line) => line.split(':')[2])).toEqual([String(user.uid)]);
    expect(named[0]?.split(':')).toHaveLength(7);
    expect(text.split('\n').some((line) => line.startsWith('root:'))).toBe(true);
  }),
  1000,
);

holds(
  "whatever an image's group file says, the user's groups are the user's, and group 0 is the image's",
  fc.property(
    colons,
    fc.array(fc.record({ gid: fc.nat(3000), name: colons }), { maxLength: 4 }),
    (image, groups) => {
      const user = aUser({ groups: [...groups, { gid: 1000, name: 'tester' }] });
      const text = groupText(image, user);
      for (const { gid } of user.groups.filter((one) => one.gid !== 0)) {
        const own = text.split('\n').filter((line) => line.split(':')[2] === String(gid));
        expect(own).toHaveLength(1);
      }
    },
  ),
  1000,
);

holds(
  'a home inside is a path below / that hides nothing of the sandbox',
  fc.property(textOf('/', '..', '.', 'home', 'proc', 'sys', 'dev', 'etc', 'tester', ' '), (home) => {
    const inside = homeInside(aUser({ home }));
    expect(inside).toMatch(/^\/[^/]/);
    expect(inside.split('/')).not.toContain('..');
    expect(['proc', 'sys', 'dev', 'etc']).not.toContain(inside.split('/')[1]);
  }),
  1000,
);

const ids = fc.array(
  fc.oneof(fc.nat(70_000), fc.constantFrom(0, 1, 65_534, 65_535, 65_536, firstRange - 1)),
  { maxLength: 20 },
);
holds(
  'an id map has every id below 65536 once, own ids as themselves, and no host id twice',
  fc.property(ids, fc.nat(slotCount - 1), (own, slot) => {
    const base = firstRange + slot * rangeSize;
    const lines = idMap(base, own)
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number));
    let inside = 0;
    for (const [start = -1, host = -1, count = 0] of lines) {
      expect(count).toBeGreaterThan(0);
      expect(start).toBeGreaterThanOrEqual(inside);
      if (own.includes(start)) expect([host, count]).toEqual([start, 1]);
      else expect(host).toBe(base + start);
      if (inside < rangeSize) expect(start).toBe(inside);
      inside = start + count;
    }
    expect(inside).toBeGreaterThanOrEqual(rangeSize);
    for (const line of subordinateText('tester', lines.map((one) => one.join(' ')).join('\n'))
      .trim()
      .split('\n')) {
      const [, first = 0, size = 0] = line.split(':').map(Number);
      expect(first > 0 && size > 0 && first + size <= rangeSize).toBe(true);
    }
  }),
);

holds(
  'a slot is never one that is taken or that overlaps with what others give away',
  fc.property(
    textOf('a:', ':', '2147483648', '65536', '\n', '#', '4000000000', '-1'),
    fc.nat(),
    fc.uniqueArray(fc.nat(50)),
    (text, uid, taken) => {
      const foreign = parseSubordinate(text);
      const slot = chooseSlot(Uid.parse(uid), new Set(taken), foreign);
      if (slot === undefined) return;
      expect(taken).not.toContain(slot);
      const start = firstRange + slot * rangeSize;
      for (const range of foreign)
        expect(range.start < start + rangeSize && start < range.start + range.count).toBe(false);
    },
  ),
  300,
);

holds(
  'any mountinfo has cgroup mounts with a path, or none',
  fc.property(
    textOf(
      '36 35 0:31 / /sys/fs/cgroup rw',
      ' - ',
      'cgroup2',
      'cgroup',
      ' ',
      'cgroup rw,memory',
      '\n',
      '\\040',
    ),
    (text) => {
      const { v1, v2 } = cgroupMounts(text);
      for (const place of [...v1.map(({ path }) => path), v2])
        expect(typeof place).toMatch(/string|undefined/);
    },
  ),
);

holds(
  'long lines take no time',
  fc.property(longRunOf(':', 'a:', '1', ' ', '\n', ' - ', '/', '\\040'), (text) => {
    parseSubordinate(text);
    cgroupMounts(text);
    passwdText(text, { user: aUser(), shell: '/bin/sh' }, '/home/tester');
    groupText(text, aUser());
    homeInside(aUser({ home: `/${text}` }));
  }),
  20,
);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-fuzz-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const slot = fc.oneof(fc.nat(slotCount), fc.constantFrom<unknown>(-1, 1.5, '7', null));
const register = fc.oneof(
  fc.record({
    version: fc.constantFrom(1, 2),
    slots: fc.dictionary(fc.oneof(fc.nat().map(String), fc.string()), slot),
  }),
  fc.anything(),
);
holds(
  'the register of id ranges is read whole, or the daemon does not start with it',
  fc.asyncProperty(register, fc.nat(300), async (content, cut) => {
    const text = JSON.stringify(content) ?? '';
    const file = join(folder, 'ids.json');
    await writeFile(file, cut < 30 ? text.slice(0, cut) : text);
    const opened = await SlotRegistry.open(file).catch((error: unknown) => error);
    if (opened instanceof SlotRegistry) {
      const { slots } = JSON.parse(text) as { slots: Record<string, number> };
      // Zod leaves that one name out of every record.
      const kept = Object.entries(slots).filter(([uid]) => uid !== '__proto__');
      expect(new Set(kept.map(([, given]) => given)).size).toBe(kept.length);
      for (const [uid] of kept) expect(opened.has(Uid.parse(Number(uid)))).toBe(true);
    } else expect(opened).toMatchObject({ code: 'E_INTERNAL' } satisfies Partial<DockershError>);
  }),
  300,
);

/** Whole ones but for a key or two that are missing, or of another kind. */
const someLimits = fc.tuple(fc.nat(20), fc.option(fc.jsonValue())).map(([index, other]) =>
  Object.fromEntries(
    Object.entries<unknown>(recordOf(aSandbox()).limits ?? {})
      .map(([key, value], at): [string, unknown] => [key, at === index ? other : value])
      .filter(([, value], at) => at !== index || value !== null),
  ),
);

holds(
  'limits in a record are known whole, or not at all',
  fc.property(fc.oneof(fc.jsonValue(), someLimits), (limits) => {
    const { limits: whole, ...rest } = recordOf(aSandbox());
    const known = SandboxRecord.parse({ ...rest, limits }).limits;
    if (known !== undefined) expect(Object.keys(known).sort()).toEqual(Object.keys(whole ?? {}).sort());
    expect(SandboxRecord.safeParse({ limits }).success).toBe(false);
  }),
);

const bytes = fc.array(fc.nat(255), { maxLength: 40 }).map((all) => String.fromCharCode(...all));
holds(
  'a session reaches the supervisor byte for byte',
  fc.property(
    fc.array(bytes, { minLength: 1, maxLength: 6 }),
    fc.array(bytes, { maxLength: 6 }),
    (args, env) => {
      const limits = { nice: 0, openFiles: null, fileSizeBytes: null, lockedBytes: null, stackBytes: null };
      const message = parseWire(
        sessionMessage(
          {
            id: 'id',
            args,
            env,
            spareVariables: 0,
            sentVariables: 0,
            umask: 0o22,
            from: undefined,
            tcp: undefined,
            banner: null,
            keep: null,
            offer: null,
            asImageUser: false,
            program: { kind: 'direct' },
            limits: {
              ...limits,
              processTimeMs: null,
              mostSessions: null,
              sessionTimeMs: null,
              idleTimeMs: null,
            },
          },
          { cwd: '/', identity: undefined, note: { startedAt: 'now' }, ofImage: [], ofLogin: [] },
        ),
      );
      const sent = (tag: string) =>
        message?.fields.filter((one) => one.tag === tag).map(({ value }) => value.toString('latin1'));
      expect(sent('arg')).toEqual(args);
      expect(sent('env')).toEqual(env);
      expect(sent('shell')).toEqual([args[0]]);
    },
  ),
);
