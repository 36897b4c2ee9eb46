// Knows lxcfs's place on a host, and which of its files sandboxes show. Pure, but for what the kernel has.

import { existsSync } from 'node:fs';

export const lxcfsFolder = '/var/lib/lxcfs';
export const lxcfsPidFile = '/run/lxcfs.pid';

/**
 * Where sandboxes have a clock of their own (time namespaces, Linux 5.6), /proc/uptime is right without it. lxcfs's /proc/stat has
 * the host's time of boot, from which ps(1) reckons: with another clock that would be wrong.
 */
const always = [
  'proc/meminfo',
  'proc/cpuinfo',
  'proc/swaps',
  'proc/diskstats',
  'proc/loadavg',
  'sys/devices/system/cpu/online',
];
const withoutClock = ['proc/uptime', 'proc/stat'];

export const hasOwnClocks = (): boolean => existsSync('/proc/self/ns/time');

export const figureNames = (ownClocks: boolean): readonly string[] =>
  ownClocks ? always : [...always, ...withoutClock];
