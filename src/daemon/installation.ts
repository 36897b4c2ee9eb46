// Checks that the daemon may run here: as root, with programs that only root can change, and with nobody else at its
// sockets.

import { chmodSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { DockershError } from '../lib/errors.ts';
import { requireTrustedPath } from '../lib/trusted-path.ts';
import type { DaemonOptions } from './options.ts';
import type { InheritedSockets } from './service-manager.ts';

const programs = [
  'dockersh-supervisor',
  'dockersh-init',
  'dockersh-layer',
  'dockersh-relay',
  'dockersh-stand-in',
  'addon.node',
];

/** Whether a daemon answers at the socket. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Of the daemon's own sockets. */
export interface SocketPaths {
  readonly login: string;
  readonly admin: string;
  readonly exec: string;
  readonly join: string;
  readonly gateway: string;
}

/** Refuses to take the sockets from a daemon that lives; those of one that is gone are replaced later. */
export async function claimSockets(run: string, inherited: InheritedSockets): Promise<SocketPaths> {
  const sockets = {
    login: path.join(run, 'login.sock'),
    admin: path.join(run, 'admin.sock'),
    exec: path.join(run, 'exec.sock'),
    join: path.join(run, 'join.sock'),
    gateway: path.join(run, 'gateway.sock'),
  };
  if (!inherited.has('admin') && (await answers(sockets.admin))) {
    throw new DockershError('E_USAGE', {
      what: `another dockershd serves ${run}`,
      hint: 'Stop it first, or give this one another --run folder.',
    });
  }
  return sockets;
}

export async function checkInstallation(options: DaemonOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new DockershError('E_USAGE', { what: 'dockershd must run as root', hint: 'Start it with sudo.' });
  }
  for (const program of programs) await requireTrustedPath(path.join(options.libexec, program));
  mkdirSync(options.run, { recursive: true, mode: 0o755 });
  mkdirSync(options.state, { recursive: true, mode: 0o700 });
  chmodSync(options.state, 0o700);
  await requireTrustedPath(options.run);
  await requireTrustedPath(options.state);
}
