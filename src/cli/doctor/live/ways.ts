// The ways out of a sandbox that lead through sshd itself, each tried by a real client of the user's. What has been reached
// is seen on the host, never believed of what comes back.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildOutcome } from '../../../lib/child-outcome.ts';
import { hasErrno } from '../../../lib/errors.ts';
import { runCommand } from '../../host/command.ts';

export interface Ground {
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number };
  /** Root's own, in the host's /run. */
  readonly folder: string;
  /** Runs the client: options before the host, then a command. */
  readonly ssh: (options: readonly string[], command?: string) => Promise<ChildOutcome | undefined>;
  /** As ssh has it, for other programs. */
  readonly options: readonly string[];
  readonly target: string;
}

/** Undefined: closed; otherwise what has been reached. */
export type Way = {
  readonly id: string;
  readonly what: string;
  readonly attempt: (ground: Ground) => Promise<string | undefined>;
};

/** How long a forward stays. */
const stayS = 2;

const word = (): string => randomBytes(12).toString('hex');

async function listening(where: number | string): Promise<{ server: Server; asked: () => boolean }> {
  let asked = false;
  const server = createServer((socket) => {
    asked = true;
    socket.on('error', () => undefined);
    socket.end('host\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (typeof where === 'number') server.listen(where, '127.0.0.1', resolve);
    else server.listen(where, resolve);
  });
  return { server, asked: () => asked };
}

const portOf = (server: Server): number => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

/** Connects as soon as somebody listens, for as long as the forward is there. */
async function knock(where: { readonly port: number } | { readonly path: string }): Promise<boolean> {
  const until = performance.now() + stayS * 1000;
  while (performance.now() < until) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection(where);
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        setTimeout(() => socket.destroy(), 500);
        resolve(true);
      });
    });
    if (connected) return true;
    await sleep(100);
  }
  return false;
}

async function socketForward(ground: Ground, remote: string): Promise<void> {
  const local = join(ground.folder, `${word()}.local`);
  const running = ground.ssh([`-L${local}:${remote}`], `sleep ${stayS}`);
  await knock({ path: local });
  await running;
}

async function socketIn(ground: Ground, folder: string): Promise<string | undefined> {
  const path = join(folder, `dockersh-live-${word()}`);
  const { server, asked } = await listening(path);
  chmodSync(path, 0o666);
  try {
    await socketForward(ground, path);
    return asked() ? `a socket in ${folder} of the host` : undefined;
  } finally {
    server.close();
  }
}

/** Through the root folder of a process of the user's on the host. */
async function socketByProcess(ground: Ground): Promise<string | undefined> {
  const path = join(ground.folder, word());
  const { server, asked } = await listening(path);
  chmodSync(path, 0o666);
  const { uid, gid } = ground.user;
  const marker = `${10_000 + Math.floor(Math.random() * 80_000)}.5`;
  const process = runCommand('sleep', [marker], { uid, gid, timeoutMs: (stayS + 3) * 1000 });
  try {
    await sleep(200);
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && commandOf(name).includes(marker));
    if (pid !== undefined) await socketForward(ground, `/proc/${pid}/root${path}`);
    return asked() ? 'a socket below /proc/PID/root of the host' : undefined;
  } finally {
    server.close();
    await process;
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
}

/** Ports that the user's processes listen at on the host. */
function portsOf(uid: number): number[] {
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && Number(fields[7]) === uid)
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16));
}

const namesIn = (folder: string, uid: number): string[] =>
  readdirSync(folder).filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.uid === uid);

/** Where a program that runs on the host as the user can leave a word. */
function dropIn({ folder }: Ground): { script: string; left: () => boolean } {
  const drop = join(folder, word());
  mkdirSync(drop);
  chmodSync(drop, 0o1777);
  const script = join(folder, word());
  writeFileSync(script, `touch ${drop}/ran\n`, { mode: 0o755 });
  return { script, left: () => existsSync(join(drop, 'ran')) };
}

async function loopback(ground: Ground): Promise<string | undefined> {
  const { server, asked } = await listening(0);
  try {
    await ground.ssh(['-W', `127.0.0.1:${portOf(server)}`]);
    return asked() ? "the host's loopback" : undefined;
  } finally {
    server.close();
  }
}

async function listener(ground: Ground): Promise<string | undefined> {
  const { server } = await listening(0);
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  const running = ground.ssh([`-R127.0.0.1:${port}:127.0.0.1:9`], `sleep ${stayS}`);
  const reached = await knock({ port });
  await running;
  return reached ? 'a port of the host is listened at' : undefined;
}

async function sftp(ground: Ground): Promise<string | undefined> {
  const marker = join(ground.folder, word());
  const copy = join(ground.folder, word());
  writeFileSync(marker, 'host\n', { mode: 0o644 });
  const batch = join(ground.folder, word());
  writeFileSync(batch, `get ${marker} ${copy}\n`);
  await runCommand('sftp', [...ground.options, '-b', batch, ground.target], { timeoutMs: 20_000 });
  return existsSync(copy) ? 'files of the host, by sftp' : undefined;
}

async function environment(ground: Ground): Promise<string | undefined> {
  const { script, left } = dropIn(ground);
  const set = ['BASH_ENV', 'ENV'].map((name) => `${name}=${script}`).join(' ');
  await ground.ssh(['-o', `SetEnv=${set}`], 'true');
  return left() ? 'a shell of the host obeys what the client sends' : undefined;
}

/** As the user could: from inside, where the home is the sandbox's. */
async function rcFile(ground: Ground): Promise<string | undefined> {
  const { script, left } = dropIn(ground);
  const made = await ground.ssh(
    [],
    `umask 077; mkdir -p ~/.ssh; [ -e ~/.ssh/rc ] || { echo '. ${script}' >~/.ssh/rc && echo made; }`,
  );
  await ground.ssh([], 'true');
  if (made?.stdout.includes('made')) await ground.ssh([], 'rm ~/.ssh/rc');
  return left() ? '~/.ssh/rc runs on the host' : undefined;
}

async function agent(ground: Ground): Promise<string | undefined> {
  const before = namesIn('/tmp', ground.user.uid);
  const socket = join(ground.folder, `${word()}.agent`);
  const { server } = await listening(socket);
  try {
    const running = ground.ssh(['-A', '-o', `IdentityAgent=${socket}`], `sleep ${stayS}`);
    await sleep(stayS * 700);
    const made = namesIn('/tmp', ground.user.uid).filter((name) => !before.includes(name));
    await running;
    return made.length > 0 ? `/tmp/${made[0] ?? ''} of the host is the agent's` : undefined;
  } finally {
    server.close();
  }
}

async function x11(ground: Ground): Promise<string | undefined> {
  const { uid } = ground.user;
  const before = portsOf(uid);
  const running = ground.ssh(['-X', '-o', 'XAuthLocation=/bin/false'], `sleep ${stayS}`);
  await sleep(stayS * 700);
  const made = portsOf(uid).filter((port) => !before.includes(port));
  await running;
  return made.length > 0 ? `port ${made[0] ?? ''} of the host is X11's` : undefined;
}

async function tunnel(ground: Ground): Promise<string | undefined> {
  const devices = (): string[] => readdirSync('/sys/class/net');
  const before = devices();
  const running = ground.ssh(['-w', 'any:any'], `sleep ${stayS}`);
  await sleep(stayS * 700);
  const made = devices().filter((name) => !before.includes(name) && name.startsWith('tun'));
  await running;
  // The client's own end is one, as it runs here.
  return made.length > 1 ? `the host has the device ${made[0] ?? ''}` : undefined;
}

async function session(ground: Ground): Promise<string | undefined> {
  const outcome = await ground.ssh([], 'readlink /proc/self/ns/mnt');
  return outcome?.stdout.trim() === readlinkSync('/proc/self/ns/mnt') ? 'a shell of the host' : undefined;
}

export const ways: readonly Way[] = [
  { id: 'live-session', what: 'a command runs in the sandbox', attempt: session },
  { id: 'live-loopback', what: "-W to the host's loopback reaches nothing", attempt: loopback },
  { id: 'live-listen', what: '-R listens inside', attempt: listener },
  ...['/run', '/tmp', '/var/tmp', '/dev/shm'].map((folder) => ({
    id: `live-socket-${folder.slice(1).replace('/', '-')}`,
    what: `-L to sockets in ${folder} of the host reaches nothing`,
    attempt: async (ground: Ground) => await socketIn(ground, folder),
  })),
  { id: 'live-socket-proc', what: '-L through /proc/PID/root reaches nothing', attempt: socketByProcess },
  { id: 'live-sftp', what: 'sftp shows the files of the sandbox', attempt: sftp },
  {
    id: 'live-environment',
    what: 'no program of the host obeys variables of the client',
    attempt: environment,
  },
  { id: 'live-rc', what: '~/.ssh/rc runs inside, or not at all', attempt: rcFile },
  { id: 'live-agent', what: "the agent's socket is inside", attempt: agent },
  { id: 'live-x11', what: "X11's port is inside", attempt: x11 },
  { id: 'live-tunnel', what: 'no network device is made', attempt: tunnel },
];
