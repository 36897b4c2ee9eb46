// Checks the gateway, where there is one.

import { access, lstat, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import type { AdminGateway } from '../../protocol/admin.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../doctor/check.ts';
import type { Context } from '../doctor/context.ts';
import { CliFailure } from '../failure.ts';
import { webChecks } from './web-check.ts';

export const gatewayChecks: readonly HostCheck[] = [
  {
    id: 'gateway-runs',
    group: 'daemon',
    what: 'the gateway runs, where it is switched on, and listens',
    why: 'Nobody who comes by it can log in.',
    run: runs,
  },
  {
    id: 'gateway-version',
    group: 'daemon',
    what: 'the gateway is the program that is installed',
    why: 'After an update the old listener accepts connections until it is started again.',
    run: isInstalled,
  },
  {
    id: 'gateway-host-keys',
    group: 'daemon',
    what: "the gateway's own host keys are root's alone",
    why: 'Whoever has them can pretend to be this host.',
    run: hostKeys,
  },
  ...webChecks,
];

/** undefined: the daemon does not say. */
async function gatewayOf(context: Context): Promise<AdminGateway | null | undefined> {
  try {
    return (await context.cli.call('gateway.status', {})).gateway;
  } catch (error) {
    if (error instanceof CliFailure || error instanceof DockershError) return undefined;
    throw error;
  }
}

/** As systemctl(1) enables units. */
async function enabledUnit(): Promise<string | undefined> {
  const wanted = [
    ['multi-user.target.wants', 'dockersh-gateway.service'],
    ['sockets.target.wants', 'dockersh-gateway.socket'],
  ] as const;
  for (const [target, unit] of wanted) {
    const link = path.join('/etc/systemd/system', target, unit);
    // A link that leads nowhere is one of a package that was removed.
    if ((await ifThere(access(link).then(() => true))) === true) return unit;
  }
  return undefined;
}

async function runs(context: Context): Promise<Finding> {
  const gateway = await gatewayOf(context);
  if (gateway === undefined) return unknown('dockershd does not answer', 'Start dockershd.');
  const unit = await enabledUnit();
  if (gateway === null) {
    return unit === undefined
      ? ok('it is not switched on')
      : critical(`${unit} is enabled, and the gateway does not run`, 'systemctl status dockersh-gateway');
  }
  const { listen, unreachable } = gateway;
  if (unreachable.length > 0)
    return critical(
      `nobody can connect at ${unreachable.join(', ')}`,
      'journalctl -u dockersh-gateway says why: most often another program listens there (ss -ltnp).',
    );
  if (listen.length > 0 || unit === 'dockersh-gateway.socket') return ok(`since ${gateway.startedAt}`);
  return warning('it listens at no address', 'Set "listen" in [gateway].');
}

async function isInstalled(context: Context): Promise<Finding> {
  const gateway = await gatewayOf(context);
  if (gateway === undefined) return unknown('dockershd does not answer', 'Start dockershd.');
  if (gateway === null) return ok('it does not run');
  const link = `/proc/${gateway.pid}/exe`;
  let program: string | undefined;
  try {
    program = await ifThere(readlink(link));
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM')) throw error;
    return unknown('its program can be seen by root alone', 'Run doctor as root.');
  }
  if (program === undefined) return unknown('it has just ended', 'Run doctor again.');
  if (!program.endsWith(' (deleted)')) return ok(program);
  return warning(
    `process ${gateway.pid} runs a program that has been replaced`,
    'systemctl restart dockersh-gateway (connections go on)',
  );
}

async function hostKeys(context: Context): Promise<Finding> {
  const { config } = await context.paths();
  const folder = path.join(path.dirname(config), 'gateway');
  let names: readonly string[] | undefined;
  try {
    names = await ifThere(readdir(folder));
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    return unknown(`${folder} can be read by root alone`, 'Run doctor as root.');
  }
  if (names === undefined) return ok('it has none');
  for (const name of names.filter((each) => each.endsWith('_key'))) {
    const file = path.join(folder, name);
    const { uid, mode } = await lstat(file);
    if (uid === 0 && (mode & 0o077) === 0) continue;
    return critical(
      `${file} is not root's alone: its owner is ${uid}, its mode ${(mode & 0o777).toString(8)}`,
      `Take it for known to others: rm ${shellWord(file)} && systemctl restart dockersh-gateway makes another one, of which clients have to be told.`,
    );
  }
  return ok(folder);
}
