// dockershd: the service behind every login. Runs as root, in the foreground, restartable at any time: running
// sessions do not notice. Puts the parts together and takes them apart again; decides nothing itself.

import { chmodSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { diskFiles } from '../images/disk-files.ts';
import type { ArchiveLimits } from '../images/layers/program.ts';
import { openImageStore } from '../images/store/image-store.ts';
import { removeOrWarn } from '../images/upkeep/sweep.ts';
import { CgroupHost } from '../isolation/cgroup-host.ts';
import { diskOf } from '../isolation/disk.ts';
import type { Engine } from '../isolation/engine.ts';
import { HostChanges } from '../isolation/host-changes.ts';
import { Sandboxes } from '../isolation/sandboxes.ts';
import { loadAddon, SeqpacketListener } from '../isolation/seqpacket.ts';
import { sendDatagram } from '../isolation/service-socket.ts';
import { UserDisks } from '../isolation/user-disks.ts';
import { Users } from '../isolation/users.ts';
import { DockershError, hasErrno, toAdminMessage, toDockershError } from '../lib/errors.ts';
import { createLogger, type Logger, loggerTo } from '../lib/log.ts';
import { requireTrustedPath } from '../lib/trusted-path.ts';
import { version } from '../lib/version.ts';
import { describeFault } from '../policy/fault.ts';
import { Accounts } from './accounts.ts';
import { serveAdmin } from './admin/socket.ts';
import { DiskBases } from './disk-bases.ts';
import { journalIsOurs, journalStream } from './journal.ts';
import { Admission } from './login/admission.ts';
import { LoginConnections } from './login/connections.ts';
import { Doors } from './login/doors.ts';
import { LoginHistory } from './login/history.ts';
import { LoginService } from './login/logins.ts';
import { LoginRefusals } from './login/refusals.ts';
import { refuseWaiting } from './login/refuse-waiting.ts';
import { SessionLog } from './login/session-log.ts';
import { SystemCalls } from './login/system-calls.ts';
import { type DaemonOptions, parseOptions } from './options.ts';
import { KeptPolicy } from './policy/kept-policy.ts';
import { LiveLimits } from './policy/live-limits.ts';
import { OwnSettings } from './policy/own-settings.ts';
import { PolicyStore } from './policy/policy-store.ts';
import {
  type InheritedSockets,
  inheritSockets,
  type ServiceEnvironment,
  ServiceManager,
  takeServiceEnvironment,
} from './service-manager.ts';
import { UserLayers } from './user-layers.ts';

const programs = ['dockersh-supervisor', 'dockersh-init', 'dockersh-layer', 'addon.node'];

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

/** Refuses to take the sockets from a daemon that lives; those of one that is gone are replaced later. */
async function claimSockets(
  run: string,
  inherited: InheritedSockets,
): Promise<{ login: string; admin: string; exec: string }> {
  const sockets = {
    login: path.join(run, 'login.sock'),
    admin: path.join(run, 'admin.sock'),
    exec: path.join(run, 'exec.sock'),
  };
  if (!inherited.has('admin') && (await answers(sockets.admin))) {
    throw new DockershError('E_USAGE', {
      what: `another dockershd serves ${run}`,
      hint: 'Stop it first, or give this one another --run folder.',
    });
  }
  return sockets;
}

async function checkInstallation(options: DaemonOptions): Promise<void> {
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

/** A function that has `work` done once after `ms`, however often it is called until then. */
function laterOnce(ms: number, work: () => void): () => void {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    const timer = setTimeout(() => {
      planned = false;
      work();
    }, ms);
    timer.unref();
  };
}

/** Looked up whenever an archive is read, so that an edit of the policy counts for the next one. */
function limitsOf(policy: PolicyStore): ArchiveLimits {
  return {
    get maxEntries() {
      return policy.images.maxEntries;
    },
    get maxBytes() {
      return policy.images.maxBytes;
    },
  };
}

interface Running {
  readonly engine: Engine;
  readonly cgroups: CgroupHost;
  readonly policy: PolicyStore;
  readonly parts: AsyncDisposableStack;
}

async function start(options: DaemonOptions, service: ServiceEnvironment, log: Logger): Promise<Running> {
  await checkInstallation(options);
  loadAddon(path.join(options.libexec, 'addon.node'));
  const inherited = inheritSockets(service, options.run);
  try {
    return await serve(options, inherited, log);
  } catch (error) {
    const login = inherited.get('login');
    log.fatal({ err: error }, 'dockershd cannot start');
    if (login !== undefined) await refuseWaiting(login, options.libexec, log);
    throw error;
  }
}

async function serve(options: DaemonOptions, inherited: InheritedSockets, log: Logger): Promise<Running> {
  await using parts = new AsyncDisposableStack();
  const policy = parts.use(
    await PolicyStore.open(options.config, log, new KeptPolicy(options.state, options.config, log)),
  );
  // At a socket that systemd holds there always is somebody, and systemd starts one daemon only.
  const sockets = await claimSockets(options.run, inherited);
  const cgroups = await CgroupHost.open(options.cgroup, undefined, {
    rare: policy.rareControllers(),
    disk: diskOf(options.state),
  });
  const history = new LoginHistory();
  const sessions = new SessionLog(log);
  const users = new Users();
  const used: { engine?: Engine; live?: LiveLimits; admission?: Admission; doors?: Doors } = {};
  const layerProgram = { path: path.join(options.libexec, 'dockersh-layer'), limits: {} };
  const disks = parts.use(new UserDisks({ state: options.state, log, ...diskFiles(layerProgram) }));
  const bases = new DiskBases(options.state, disks);
  const images = parts.use(
    await openImageStore(path.join(options.state, 'images'), {
      layerProgram: path.join(options.libexec, 'dockersh-layer'),
      inUse: () => used.engine?.layersInUse() ?? new Set(),
      bases: async () => await bases.all(),
      limits: limitsOf(policy),
      log,
    }),
  );
  const sweepLater = laterOnce(60_000, () => {
    images.collectGarbage().catch((error: unknown) => log.warn({ err: error }, 'unused layers stay for now'));
  });
  const engine = parts.use(
    await Sandboxes.open({
      state: options.state,
      run: options.run,
      libexec: options.libexec,
      cgroups,
      disks,
      log,
      events: {
        sessionEnded: (end) => {
          history.ended(end);
          used.admission?.changed();
          sessions.ended(end);
        },
        sandboxStarted: (started) => {
          history.sandboxStarted(started);
          sessions.sandboxStarted(started.uid);
          used.doors?.open(started.uid);
          used.live?.follow(started.uid); // the policy may have changed meanwhile
        },
        sandboxEnded: (uid) => {
          used.doors?.close(uid);
          used.admission?.changed();
          sweepLater();
        },
      },
    }),
  );
  used.engine = engine;
  engine.renew(); // what happened while there was no daemon, nobody has told them
  const changed = (): void => {
    log.debug("the host's programs have changed");
    engine.renew();
  };
  parts.use(new HostChanges({ changed }));
  const layers = new UserLayers(options.state, images, engine, disks);
  await layers.cleanUp();
  const ownSettings = new OwnSettings(policy, disks);
  const live = new LiveLimits({ policy, ownSettings, users, engine, cgroups, disks, log });
  used.live = live;
  const admission = new Admission(
    () => policy.host,
    () => engine.loads(),
  );
  used.admission = admission;
  policy.follow(() => {
    live.changed();
    admission.changed();
  });
  live.changed();
  const systemCalls = new SystemCalls();
  const logins = new LoginService({
    ...{ policy, ownSettings, users, layers, systemCalls, engine, history, admission, sessions, log },
  });
  const refusals = new LoginRefusals({ engine, history, log });
  const clients = new LoginConnections({
    engine,
    refusals,
    log,
    login: async (incoming) => await logins.login(incoming),
  });
  const scratch = path.join(options.state, 'tmp');
  await removeOrWarn(images.layerProgram, scratch, { log }); // of a bootstrap that was killed
  const admin = await serveAdmin(inherited.get('admin') ?? sockets.admin, {
    engine,
    images,
    layers,
    accounts: new Accounts(options.state, images.layerProgram, engine, disks),
    users,
    policy,
    ownSettings,
    history,
    cgroup: cgroups.mode,
    scratch,
    paths: {
      config: options.config,
      state: options.state,
      run: options.run,
      libexec: options.libexec,
    },
    unenforced: () => live.unenforced(),
    log,
  });
  parts.defer(() => {
    admin.close();
  });
  const failed = (error: unknown): void => log.error({ err: error }, 'connection');
  const doors = parts.use(new Doors(options.run, (accepted) => clients.accept(accepted), log));
  for (const uid of engine.uids()) doors.open(uid);
  used.doors = doors;
  const exec = inherited.get('exec') ?? SeqpacketListener.bind(sockets.exec, 0o600);
  parts.use(new SeqpacketListener(exec, (accepted) => clients.acceptExec(accepted), failed));
  const login = inherited.get('login') ?? SeqpacketListener.bind(sockets.login, 0o666);
  parts.use(new SeqpacketListener(login, (accepted) => clients.accept(accepted), failed));
  return { engine, cgroups, policy, parts: parts.move() };
}

function statusOf({ fault }: PolicyStore): string {
  if (fault === undefined) return 'Accepting logins';
  return `Attention: ${describeFault(fault)} (dockershctl policy check)`;
}

function openLog(options: DaemonOptions): Logger {
  if (options.logFile === undefined && journalIsOurs())
    return loggerTo(journalStream(sendDatagram), options.logLevel);
  return createLogger({
    level: options.logLevel,
    ...(options.logFile === undefined ? {} : { file: options.logFile }),
  });
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv);
  const service = takeServiceEnvironment(process.env, process.pid);
  const log = openLog(options);
  process.umask(0o022);
  const stopping = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.resolve(signal));
  process.on('SIGHUP', () => {}); // the policy is read again by itself
  const running = await start(options, service, log);
  using manager = new ServiceManager(service, log);
  log.info({ version, node: process.version, run: options.run, cgroup: running.cgroups.mode }, 'ready');
  manager.ready(statusOf(running.policy));
  running.policy.whenFaultChanges(() => manager.status(statusOf(running.policy)));
  const signal = await stopping.promise;
  manager.stopping();
  log.info({ signal }, 'stopping');
  if (options.stopSandboxesOnExit) await running.engine.stopAll();
  await running.parts.disposeAsync();
  if (options.stopSandboxesOnExit) await running.cgroups.remove();
  log.info('stopped');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  // Commander has answered --help and bad options itself.
  process.stderr.write(toAdminMessage(error, 'dockershd'));
  process.exit(hasErrno(error, 'EACCES') ? 77 : toDockershError(error).exitCode);
}
