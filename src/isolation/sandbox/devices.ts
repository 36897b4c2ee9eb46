// Looks up the devices of the host that a sandbox gets. Each becomes a node of the sandbox's own with the same number
// (native/supervisor/rootfs/dev.c), so what a name means is settled here, once, by root in root's /dev. There is no rule of
// a device controller behind it: no mount inside but /dev lets a node work, nobody inside can make one, and the nodes
// that there are belong to nobody inside.

import { glob, lstat } from 'node:fs/promises';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { whyNever } from '../../lib/never-devices.ts';
import { requireTrustedPath } from '../../lib/trusted-path.ts';
import type { SandboxSpec } from '../engine.ts';

export interface DeviceNode {
  /** Below /dev, here and inside. */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  readonly writable: boolean;
}

interface Wanted {
  readonly path: string;
  readonly writable: boolean;
}

/** Numbers of Documentation/admin-guide/devices.txt. A name says little: any node can have any number. */
const neverMajors: Readonly<Record<number, string>> = {
  1: 'memory of the kernel, or a device that every sandbox has one of its own of',
  2: 'a terminal of somebody',
  3: 'a terminal of somebody',
  4: 'a terminal of the host',
  5: 'a terminal of the host',
  7: 'a screen of the host',
  13: 'input of those who sit at the host',
  21: 'a disk',
  90: 'flash memory of the host',
  162: 'a disk',
  202: 'registers of the processors',
  204: 'a terminal of the host',
  ...Object.fromEntries(Array.from({ length: 8 }, (_, index) => [136 + index, 'a terminal of somebody'])),
};
const neverMisc: Readonly<Record<number, string>> = {
  130: 'the watchdog of the host',
  144: 'settings of the host',
  223: 'input of those who sit at the host',
  231: 'memory of the kernel',
  234: 'control of file systems',
  235: 'control of file systems',
  236: 'control of disks',
  237: 'control of disks',
};
const miscMajor = 10;

const deviceError = (path: string, why: string): DockershError =>
  new DockershError('E_DEVICE', {
    what: `the device ${path} cannot be given to a sandbox`,
    why,
    hint: 'Take it out of "devices" in the policy.',
  });

/** makedev(3), backwards. */
function numberOf(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

/** Undefined: there is none. Throws E_DEVICE for what is never given. */
async function nodeAt(path: string, writable: boolean): Promise<DeviceNode | undefined> {
  const info = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  if (info.isBlockDevice()) throw deviceError(path, 'it is a block device: its holder has the disk');
  if (!info.isCharacterDevice()) throw deviceError(path, 'it is no device, or a link to one');
  const { major, minor } = numberOf(info.rdev);
  const fault = major === miscMajor ? neverMisc[minor] : neverMajors[major];
  if (fault !== undefined) throw deviceError(path, `its number, ${major}:${minor}, is that of ${fault}`);
  const name = path.slice('/dev/'.length);
  const byName = whyNever(name); // a glob may have found it
  if (byName !== undefined) throw deviceError(path, byName);
  return { name, major, minor, writable };
}

/** Of a glob, only what is a device: folders often hold links and others. */
async function nodesLike(pattern: string, writable: boolean): Promise<DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for await (const path of glob(pattern)) {
    if ((await lstat(path)).isCharacterDevice()) {
      const node = await nodeAt(path, writable);
      if (node !== undefined) nodes.push(node);
    }
  }
  return nodes.sort((a, b) => a.name.localeCompare(b.name));
}

interface DevicesFound {
  readonly nodes: readonly DeviceNode[];
  /** Paths that name one device each, which this host does not have. */
  readonly missing: readonly string[];
}

/** Throws E_DEVICE for one that is never given to anybody. Of two entries for one device, the first counts. */
async function findDevices(wanted: readonly Wanted[]): Promise<DevicesFound> {
  const nodes = new Map<string, DeviceNode>();
  const missing: string[] = [];
  for (const { path, writable } of wanted) {
    const isGlob = /[*?[]/.test(path);
    const found = isGlob ? await nodesLike(path, writable) : [await nodeAt(path, writable)];
    for (const node of found) {
      if (node === undefined) missing.push(path);
      else if (!nodes.has(node.name)) nodes.set(node.name, node);
    }
  }
  if (nodes.size > mostDevices)
    throw new DockershError('E_DEVICE', {
      what: `the policy gives ${nodes.size} devices`,
      why: `a sandbox has at most ${mostDevices}`,
    });
  // A user who could make nodes there could choose what they mean.
  for (const { name } of nodes.values()) await requireTrustedPath(`/dev/${name.replace(/[^/]*$/, '')}`);
  return { nodes: [...nodes.values()], missing };
}

/** Also the supervisor's (native/supervisor/spec.h). */
const mostDevices = 64;

/** /dev/fuse, which file systems of users need inside; nothing if the host has none. */
const forNesting: Wanted = { path: '/dev/fus[e]', writable: true };

/** What the sandbox gets. A missing device refuses the start where policy is strict, and is logged where not. */
export async function devicesFor(
  { devices, strict, nesting }: Pick<SandboxSpec, 'devices' | 'strict' | 'nesting'>,
  warn: (missing: readonly string[]) => void,
): Promise<readonly DeviceNode[]> {
  const { nodes, missing } = await findDevices(nesting === 'yes' ? [...devices, forNesting] : devices);
  if (missing.length === 0) return nodes;
  if (strict)
    throw new DockershError('E_DEVICE', {
      what: `this host has no ${missing.join(', ')}`,
      hint: 'Load the driver, or take it out of "devices". With "strict = no" logins go on without it.',
    });
  warn(missing);
  return nodes;
}
