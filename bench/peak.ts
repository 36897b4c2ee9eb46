// Measures the peak memory of the daemon and its helpers while they work.

import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** Peak of the resident memory of a process and its children, looked at 50 times a second. */
export function peakOf(pid: number): Disposable & { kib: () => number } {
  writeFileSync(`/proc/${pid}/clear_refs`, '5'); // resets VmHWM, proc_pid_clear_refs(5)
  let children = 0;
  const timer = setInterval(() => {
    const now = childrenOf(pid).reduce((sum, child) => sum + statusOf(child, 'VmRSS'), 0);
    children = Math.max(children, now);
  }, 20);
  return {
    kib: () => statusOf(pid, 'VmHWM') + children,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** And theirs. A child that still runs our own program has just been forked: its memory is counted already. */
function childrenOf(pid: number): number[] {
  try {
    const own = readlinkSync(`/proc/${pid}/exe`);
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    const children = list.split(' ').filter(Boolean).map(Number);
    const others = children.filter((child) => readlinkSync(`/proc/${child}/exe`) !== own);
    return others.flatMap((child) => [child, ...childrenOf(child)]);
  } catch {
    return []; // one of them has just ended; the next look counts what is there
  }
}

/** 0 for a process that has just ended. */
function statusOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
