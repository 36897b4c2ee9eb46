// The programs of the host that can do nothing in a sandbox of the image `host`, with what stands there instead: a line
// that says why, and where to go. They would fail with words about set-user-id bits, or seem to work. Pure.

import { crontabScript } from './crontab.ts';

/** What a program of that name says. */
const reasons: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['sudo', 'sudoedit', 'su', 'pkexec', 'runuser'].map((name) => [
      name,
      'nobody in this sandbox can become another user or root. What needs root, ask the administrator of this host for.',
    ]),
  ),
  ...Object.fromEntries(
    ['newgrp', 'sg', 'gpasswd'].map((name) => [
      name,
      'your groups are those of your account on the host; nobody in this sandbox can get others. Ask the administrator of this host.',
    ]),
  ),
  ...Object.fromEntries(
    ['crontab', 'at', 'atq', 'atrm', 'batch'].map((name) => [
      name,
      'nothing starts programs at a given time for this sandbox, which ends when it is left. What has to run by itself, ask the administrator of this host for.',
    ]),
  ),
  passwd:
    'your password belongs to your account on the host, which cannot be changed from this sandbox. Ask the administrator of this host.',
  chsh: 'your login shell belongs to your account on the host, which cannot be changed from this sandbox. Which shell starts in here, the administrator of this host says.',
  chfn: 'this belongs to your account on the host, which cannot be changed from this sandbox. Ask the administrator of this host.',
};

export interface Instead {
  /** Below the root: "usr/bin/sudo". */
  readonly path: string;
  readonly text: string;
}

/**
 * Those that the host has, below its folders that the image shows. `has`: whether the host has such a file. `cron`: a crontab is
 * there, and works, whether the host has one or not.
 */
export function programsInstead(
  binds: readonly { readonly source: string; readonly target: string }[],
  has: (file: string) => boolean,
  cron = false,
): Instead[] {
  const folders = binds.flatMap(({ source, target }) =>
    target === '/usr'
      ? [{ from: `${source}/bin`, to: 'usr/bin' }]
      : target === '/bin'
        ? [{ from: source, to: 'bin' }]
        : [],
  );
  return folders.flatMap(({ from, to }) => {
    const reasonless = cron ? ['crontab'] : [];
    const said = Object.entries(reasons)
      .filter(([name]) => !reasonless.includes(name) && has(`${from}/${name}`))
      .map(([name, why]) => ({ path: `${to}/${name}`, text: scriptOf(name, why) }));
    return [...said, ...reasonless.map((name) => ({ path: `${to}/${name}`, text: crontabScript }))];
  });
}

function scriptOf(name: string, why: string): string {
  return `#!/bin/sh
# Stands here instead of the host's ${name}, which has no effect in a sandbox (dockersh).
echo '${name}: ${why}' >&2
exit 1
`;
}
