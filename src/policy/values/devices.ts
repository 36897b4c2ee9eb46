// Parses the value of "devices". A device's number is checked where it is looked up (src/isolation/sandbox/devices.ts). Pure.

import { whyNever } from '../../lib/never-devices.ts';
import { globTest, isGlob } from '../glob.ts';
import { type Check, text } from './basic.ts';

export interface Device {
  /** A path below /dev; a glob stands for whatever there is. */
  readonly path: string;
  readonly writable: boolean;
}

const mostDevices = 64;
const pathOfDevice = /^\/dev\/[\w.@+*?[\]!-]+(?:\/[\w.@+*?[\]!-]+)*$/;

function deviceOf(item: string): Check<Device> {
  const [path = '', mode = 'rw', ...more] = item.split(':');
  if (!pathOfDevice.test(path) || /\/\.{1,2}(?:\/|$)|\*\*/.test(path))
    return { ok: false, problem: `has "${item}", which is not the path of something below /dev` };
  if (more.length > 0 || (mode !== 'r' && mode !== 'rw'))
    return { ok: false, problem: `has "${item}", which ends neither in :r nor in :rw` };
  const glob = isGlob(path) ? globTest(path) : undefined;
  if (glob !== undefined && 'problem' in glob)
    return { ok: false, problem: `has "${item}": ${glob.problem}` };
  const name = path.slice('/dev/'.length);
  if (/^[*?[]/.test(name))
    return {
      ok: false,
      problem: `has "${item}", which may be anything: begin the name with more than a glob`,
    };
  const fault = whyNever(name);
  if (fault !== undefined) return { ok: false, problem: `has "${item}", which is never given: ${fault}` };
  return { ok: true, value: { path, writable: mode === 'rw' } };
}

/** Devices of the host with blanks or commas between; "none" for an empty list. */
export const deviceList = text<readonly Device[]>((input) => {
  if (input === 'none') return { ok: true, value: [] };
  const devices: Device[] = [];
  for (const item of input.split(/[\s,]+/).filter((word) => word !== '')) {
    const device = deviceOf(item);
    if (!device.ok) return device;
    if (devices.some(({ path }) => path === device.value.path))
      return { ok: false, problem: `has ${device.value.path} twice` };
    devices.push(device.value);
  }
  if (devices.length === 0) return { ok: false, problem: 'is not a list of devices, or none' };
  if (devices.length > mostDevices) return { ok: false, problem: `has more than ${mostDevices} devices` };
  return { ok: true, value: devices };
});
