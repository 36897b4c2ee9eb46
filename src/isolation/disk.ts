// Finds the disk that a folder is on, as the io controller wants it: the whole disk, because it counts nothing by
// partition.

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

/** "254:0"; undefined where there is no one disk behind it (btrfs, overlay, tmpfs, a network). */
export function diskOf(folder: string, sys = '/sys/dev/block'): string | undefined {
  const device = deviceText(statSync(folder).dev);
  const entry = path.join(sys, device);
  if (device.startsWith('0:') || !existsSync(entry)) return undefined;
  if (!existsSync(path.join(entry, 'partition'))) return device;
  return readFileSync(path.join(realpathSync(entry), '../dev'), 'utf8').trim();
}

/** makedev(3), backwards. */
function deviceText(dev: number): string {
  const number = BigInt(dev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
