// Tests of a sandbox's specification as the supervisor takes it.

import { describe, expect, test } from 'vitest';
import { idMapsOf } from '../../../src/isolation/ids.ts';
import { type Placement, specificationMessage } from '../../../src/isolation/supervisor/specification.ts';
import { resolved } from '../../../src/lib/values/absolute-path.ts';
import {
  fieldsOf,
  parseWire,
  type Tag,
  textOf,
  u32Of,
  u64sOf,
  type WireMessage,
} from '../../../src/lib/wire.ts';
import { aSandbox, aUser } from './records.ts';

const aStorage = (ids = idMapsOf(aUser(), 7)): Placement['storage'] => ({
  ids,
  device: undefined,
  layer: '/state/layer',
  identity: resolved('/state/identity/abc'),
  home: '/state/home',
});

const aPlace = (changes: Partial<Placement> = {}): Placement => ({
  name: '1000',
  storage: aStorage(),
  limits: [],
  lifts: [],
  devices: [],
  delegated: undefined,
  mountpoint: resolved('/run/mnt'),
  controlSocket: resolved('/run/1000.sock'),
  network: undefined,
  ...changes,
});

function messageOf(spec = aSandbox(), place = aPlace()): WireMessage {
  const message = parseWire(specificationMessage(spec, place));
  if (message === undefined) throw new Error('the specification is not understood');
  return message;
}
const textsOf = (message: WireMessage, tag: Tag): string[] => fieldsOf(message, tag).map(String);

test('says who, with which ids', () => {
  const message = messageOf();
  expect(message.type).toBe('sandbox');
  expect([u32Of(message, 'uid'), u32Of(message, 'gid')]).toEqual([1000, 1000]);
  expect(fieldsOf(message, 'groups')).toEqual([Buffer.from(new Uint32Array([1000, 2000]).buffer)]);
  const rootId = 0x8000_0000 + 7 * 65_536;
  expect(fieldsOf(message, 'rootIds')).toEqual([Buffer.from(new Uint32Array([rootId, rootId]).buffer)]);
  expect(textOf(message, 'uidMap')).toBe(aStorage().ids.uidMap);
  expect(textOf(message, 'gidMap')).toBe(aStorage().ids.gidMap);
});

test('the identity layer is on top of the image’s, each as it may be mapped', () => {
  const layers = messageOf()
    .fields.filter(({ tag }) => tag === 'layer' || tag === 'plainLayer')
    .map(({ tag, value }) => [tag, String(value)]);
  expect(layers).toEqual([
    ['layer', '/state/identity/abc'],
    ['layer', '/layers/top'],
    ['plainLayer', '/layers/host'],
  ]);
});

test('what comes from the image is read-only; the home alone can be written', () => {
  expect(textsOf(messageOf(), 'bind')).toEqual(['/usr\0/usr\0ro', '/state/home\0/home/tester\0rw']);
});

test('everything that the supervisor demands is there, once', () => {
  const once: Tag[] = ['name', 'uid', 'gid', 'groups', 'rootIds', 'uidMap', 'gidMap', 'upper', 'mountpoint'];
  const more: Tag[] = [
    'hostname',
    'network',
    'tmpBytes',
    'shmBytes',
    'control',
    'lingerMs',
    'hangupGraceMs',
    'stopGraceMs',
  ];
  for (const tag of [...once, ...more, 'backgroundKill' as const])
    expect(fieldsOf(messageOf(), tag), tag).toHaveLength(1);
});

describe('times and sizes', () => {
  test('for ever is the largest number', () => {
    const lingering = messageOf(aSandbox({ lingerMs: Number.POSITIVE_INFINITY }));
    expect(u64sOf(lingering, 'lingerMs')).toEqual([2n ** 64n - 1n]);
    expect(u64sOf(messageOf(aSandbox({ lingerMs: 0.4 })), 'lingerMs')).toEqual([0n]);
    expect(u64sOf(messageOf(), 'hangupGraceMs')).toEqual([5000n]);
    expect(u64sOf(messageOf(), 'stopGraceMs')).toEqual([2000n]);
  });

  test('/tmp always has a size: 0 would mean none to the kernel', () => {
    expect(u64sOf(messageOf(aSandbox({ tmpBytes: 4096 })), 'tmpBytes')).toEqual([4096n]);
    expect(u64sOf(messageOf(), 'tmpBytes')).toEqual([1n << 40n]);
    const full = messageOf(aSandbox({ memoryLimitBytes: 8192, tmpBytes: 8192, shmBytes: 1024 }));
    expect([u64sOf(full, 'tmpBytes'), u64sOf(full, 'shmBytes')]).toEqual([[3072n], [1024n]]);
  });
});

test.each([
  ['nesting', aSandbox({ nesting: 'yes' }), aSandbox({ nesting: 'no' })],
  ['ownSysinfo', aSandbox({ sysinfo: 'own' }), aSandbox({ sysinfo: 'host' })],
  ['ownSysinfo', aSandbox(), aSandbox({ nesting: 'yes' })],
  ['root', aSandbox({ root: 'yes' }), aSandbox({ root: 'no' })],
  ['network', aSandbox({ network: { kind: 'host' } }), aSandbox({ network: { kind: 'none' } })],
  ['backgroundKill', aSandbox({ background: 'kill' }), aSandbox({ background: 'keep' })],
] as const)('%s is 1 or 0', (tag, on, off) => {
  expect(u32Of(messageOf(on), tag)).toBe(1);
  expect(u32Of(messageOf(off), tag)).toBe(0);
});

test('mounts of the policy come apart from what the image brings, read-only unless they are not', () => {
  const mounts = [
    { source: resolved('/data/lab'), target: resolved('/data'), writable: false },
    { source: resolved('/scratch'), target: resolved('/scratch'), writable: true },
  ];
  expect(textsOf(messageOf(aSandbox({ mounts })), 'mount')).toEqual([
    '/data/lab\0/data\0ro',
    '/scratch\0/scratch\0rw',
  ]);
});

test('filters of system calls go as they are, in order', () => {
  const filters = [Buffer.from('filter-1'), Buffer.from('filter-2')];
  const message = messageOf(aSandbox({ systemCalls: { filters, alone: true } }));
  expect(fieldsOf(message, 'filter')).toEqual(filters);
  expect(u32Of(message, 'filtersAlone')).toBe(1);
  expect(fieldsOf(messageOf(), 'filter')).toEqual([]);
  expect(u32Of(messageOf(), 'filtersAlone')).toBe(0);
});

test('limits name hierarchy, file and value', () => {
  const limits = [
    { hierarchy: 0, file: 'memory.max', value: '1' },
    { hierarchy: 2, file: 'cpu.max', value: '50000 100000' },
  ];
  expect(textsOf(messageOf(aSandbox(), aPlace({ limits })), 'cgroupWrite')).toEqual([
    '0\0memory.max\x001',
    '2\0cpu.max\x0050000 100000',
  ]);
});

test('what lifts limits on disks is said as they are', () => {
  const lifts = [{ hierarchy: 3, file: 'io.max', value: 'rbps=max wbps=max' }];
  expect(textsOf(messageOf(aSandbox(), aPlace({ lifts })), 'cgroupLift')).toEqual([
    '3\0io.max\0rbps=max wbps=max',
  ]);
});

test('the most groups and layers that there can be fit into one message', () => {
  const groups = Array.from({ length: 256 }, (_, index) => ({ gid: 3 + 2 * index, name: `group${index}` }));
  const user = aUser({ groups });
  const layers = Array.from({ length: 126 }, (_, index) => ({
    path: `/var/lib/dockersh/images/layers/sha256-${'0'.repeat(64)}-${index}`,
    idmapped: true,
  }));
  const spec = aSandbox({ user, image: { ...aSandbox().image, layers } });
  expect(
    fieldsOf(messageOf(spec, aPlace({ storage: aStorage(idMapsOf(user, 32_766)) })), 'layer'),
  ).toHaveLength(127);
});
