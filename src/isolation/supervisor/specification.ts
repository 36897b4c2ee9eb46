// A sandbox's specification as the supervisor takes it (MSG_SANDBOX): everything worked out, nothing left to
// look up. Pure.

import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { WireWriter } from '../../lib/wire.ts';
import type { LimitWrite } from '../cgroup/host.ts';
import type { SandboxSpec, SandboxStorage } from '../engine.ts';
import { type NetworkPlan, writeNetwork } from '../network/plan.ts';
import type { DeviceNode } from '../sandbox/devices.ts';
import { homeInside } from '../sandbox/home-inside.ts';
import type { FigureFiles } from './figures.ts';

export interface Placement {
  /** Of its cgroup, and of its files in the run folder. */
  readonly name: string;
  readonly storage: Omit<SandboxStorage, typeof Symbol.asyncDispose>;
  readonly limits: readonly LimitWrite[];
  /** As CgroupHost has it. */
  readonly lifts: readonly LimitWrite[];
  readonly devices: readonly DeviceNode[];
  /** The sandbox's cgroup of version 2, to be divided further inside; undefined: not wanted, or there is none. */
  readonly delegated: string | undefined;
  /** An empty folder to build on; every supervisor has its own mount namespace, so all share one. */
  readonly mountpoint: AbsolutePath;
  readonly controlSocket: AbsolutePath;
  /** Undefined: the sandbox has no private network. */
  readonly network: NetworkPlan | undefined;
}

const networkNumbers = { none: 0, host: 1, private: 2 } as const;

/** "for ever" in milliseconds (UINT64_MAX). */
const never = 0xffff_ffff_ffff_ffffn;
const milliseconds = (ms: number): bigint => (Number.isFinite(ms) ? BigInt(Math.round(ms)) : never);

/** tmpfs wants a size; without a limit of its own it may fill whatever memory the sandbox has. */
const unlimitedBytes = 1n << 40n;
const sizeOf = (bytes: number | null): bigint => (bytes === null ? unlimitedBytes : BigInt(bytes));

/**
 * A file system in memory takes three eighths of the sandbox's at most: with /tmp and /dev/shm full, a quarter is left for
 * the programs that empty them. null is none, which is for root's policy to say.
 */
function besides(bytes: number | null, memoryLimitBytes: number | null): number | null {
  return bytes === null || memoryLimitBytes === null
    ? bytes
    : Math.min(bytes, Math.floor(memoryLimitBytes / 8) * 3);
}

/** The descriptors of `figures` go with it, in their order. */
export function specificationMessage(spec: SandboxSpec, place: Placement, figures?: FigureFiles): Buffer {
  const { user, image } = spec;
  const { ids, device, layer: upper, identity, home } = place.storage;
  const writer = new WireWriter('sandbox')
    .text('name', place.name)
    .u32('uid', user.uid)
    .u32('gid', user.gid)
    .u32('groups', ...ids.groups)
    .u32('rootIds', ids.rootId, ids.rootId)
    .text('uidMap', ids.uidMap)
    .text('gidMap', ids.gidMap)
    .text('layer', identity);
  for (const layer of image.layers) writer.text(layer.idmapped ? 'layer' : 'plainLayer', layer.path);
  if (device !== undefined) writer.text('disk', device);
  writer.text('upper', upper).text('mountpoint', place.mountpoint);
  for (const bind of image.binds) writer.text('bind', `${bind.source}\0${bind.target}\0ro`);
  writer
    .text('bind', `${home}\0${homeInside(user)}\0rw`)
    .text('hostname', spec.hostname)
    .u32('network', networkNumbers[spec.network.kind])
    .u32('root', spec.root === 'yes' ? 1 : 0)
    .u32('nesting', spec.nesting === 'yes' ? 1 : 0)
    // With nesting, programs inside may listen to filters of their own: the kernel takes one who listens to all.
    .u32('ownSysinfo', spec.sysinfo === 'own' && spec.nesting === 'no' ? 1 : 0)
    .u32('filtersAlone', spec.systemCalls.alone ? 1 : 0)
    .u64('tmpBytes', sizeOf(besides(spec.tmpBytes, spec.memoryLimitBytes)))
    .u64('shmBytes', sizeOf(besides(spec.shmBytes, spec.memoryLimitBytes)))
    .text('control', place.controlSocket)
    .u64('lingerMs', milliseconds(spec.lingerMs))
    .u64('hangupGraceMs', milliseconds(spec.hangupGraceMs))
    .u64('stopGraceMs', milliseconds(spec.stopGraceMs))
    .u32('backgroundKill', spec.background === 'kill' ? 1 : 0);
  for (const folder of spec.runFolders) writer.text('runFolder', folder);
  for (const filter of spec.systemCalls.filters) writer.bytes('filter', filter);
  for (const { source, target, writable } of spec.mounts)
    writer.text('mount', `${source}\0${target}\0${writable ? 'rw' : 'ro'}`);
  for (const { name, major, minor, writable } of place.devices)
    writer.text('device', `${name}\0${major}:${minor}\0${writable ? 'rw' : 'r'}`);
  if (place.network !== undefined) writeNetwork(writer, place.network);
  if (place.delegated !== undefined) writer.text('delegated', place.delegated);
  for (const { hierarchy, file, value } of place.limits) {
    writer.text('cgroupWrite', `${hierarchy}\0${file}\0${value}`);
  }
  for (const { hierarchy, file, value } of place.lifts)
    writer.text('cgroupLift', `${hierarchy}\0${file}\0${value}`);
  if (figures !== undefined) {
    writer.u64('figuresOf', figures.of);
    for (const name of figures.names) writer.text('figure', name);
  }
  return writer.finish(figures?.fds.length);
}
