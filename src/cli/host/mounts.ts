// Lists the mounts of this process's namespace (proc_pid_mountinfo(5)).

import { readFileSync } from 'node:fs';
import { mountPath } from '../../lib/text/mountinfo.ts';

export interface Mount {
  readonly path: string;
  readonly type: string;
  /** Of the mount and of its file system together. */
  readonly options: readonly string[];
}

export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after] = line.split(' - ');
    if (after === undefined) return [];
    const [, , , , path = '', options = ''] = before.split(' ');
    const [type = '', , more = ''] = after.split(' ');
    return [{ path: mountPath(path), type, options: [...options.split(','), ...more.split(',')] }];
  });
}

export function listMounts(): Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The mount that a path without symbolic links lies on. */
export function mountOf(path: string, mounts: readonly Mount[] = listMounts()): Mount | undefined {
  const covers = (mount: Mount): boolean =>
    mount.path === '/' || path === mount.path || path.startsWith(`${mount.path}/`);
  // Of several at the same place the last one counts: it is on top.
  return mounts.filter(covers).reduce<Mount | undefined>((best, mount) => {
    return best === undefined || mount.path.length >= best.path.length ? mount : best;
  }, undefined);
}
