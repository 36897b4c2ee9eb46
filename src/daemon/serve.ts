// Puts the parts of the daemon together, in the order in which they need each other. Each is taken apart again with
// the stack that it was put on.

import path from 'node:path';
import { removeOrWarn } from '../images/upkeep/sweep.ts';
import { CgroupHost } from '../isolation/cgroup/host.ts';
import { OutOfMemoryWatch } from '../isolation/cgroup/out-of-memory.ts';
import { diskOf } from '../isolation/disk.ts';
import type { Engine } from '../isolation/engine.ts';
import { HostChanges } from '../isolation/host-changes.ts';
import type { Networks } from '../isolation/network/networks.ts';
import type { NetworkState } from '../isolation/network/state.ts';
import { Sandboxes } from '../isolation/sandbox/sandboxes.ts';
import { Users } from '../isolation/users.ts';
import { type Logger, withNames } from '../lib/log.ts';
import { below } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import { LayerAccess } from '../users/access.ts';
import { Accounts } from '../users/accounts.ts';
import { UserArchives } from '../users/archive/archives.ts';
import { Upgrades } from '../users/layer/upgrades.ts';
import { UserLayers } from '../users/layers.ts';
import { askedBy } from './admin/asked-by.ts';
import { networksOf } from './admin/network.ts';
import { Operations } from './admin/operations.ts';
import type { AdminParts } from './admin/parts.ts';
import { serveAdmin } from './admin/socket.ts';
import { startByItself } from './by-itself.ts';
import { type Clients, listenTo, openClients } from './clients.ts';
import { claimSockets, type SocketPaths } from './installation.ts';
import { Admission } from './login/admission.ts';
import { InternalSftp } from './login/internal-sftp.ts';
import { SystemCalls } from './login/system-calls.ts';
import { Metrics } from './metrics/metrics.ts';
import { openMetrics } from './metrics/open-metrics.ts';
import type { MetricsServer } from './metrics/server.ts';
import { openNetworkState, openNetworks } from './networks.ts';
import { lingerOf } from './notices/linger.ts';
import { UserNotices } from './notices/notices.ts';
import type { DaemonOptions } from './options.ts';
import { OutOfMemoryTeller } from './out-of-memory.ts';
import { GatewaySettings } from './policy/gateway-settings.ts';
import { LiveLimits } from './policy/live-limits.ts';
import { openPolicy } from './policy/open-policy.ts';
import { OwnSettings } from './policy/own-settings.ts';
import type { PolicyStore } from './policy/policy-store.ts';
import { UserKeys } from './policy/user-keys.ts';
import { Recordings } from './recordings/recordings.ts';
import { type LoginRecords, openRecords } from './records/open-records.ts';
import { eventsFor, type MadeLater } from './sandbox-events.ts';
import { AskedInside } from './self-service/asked-inside.ts';
import { InsideService } from './self-service/inside.ts';
import { SelfService } from './self-service/self-service.ts';
import type { InheritedSockets } from './service-manager.ts';
import { keepDisks, openStorage, type Storage } from './storage.ts';

/** The daemon at work. */
export interface Running {
  readonly engine: Engine;
  readonly cgroups: CgroupHost;
  readonly networks: Networks;
  readonly policy: PolicyStore;
  readonly parts: AsyncDisposableStack;
}

/** Given to every step. */
interface Ground {
  readonly options: DaemonOptions;
  readonly inherited: InheritedSockets;
  readonly sockets: SocketPaths;
  readonly parts: AsyncDisposableStack;
  readonly policy: PolicyStore;
  readonly cgroups: CgroupHost;
  readonly networkState: NetworkState;
  readonly networks: Networks;
  readonly logins: LoginRecords;
  readonly notices: UserNotices;
  readonly recordings: Recordings;
  readonly metrics: Metrics;
  readonly users: Users;
  readonly log: Logger;
  readonly used: MadeLater & { engine?: Engine; metrics?: MetricsServer };
}

interface UserParts {
  readonly access: LayerAccess;
  readonly layers: UserLayers;
  readonly ownSettings: OwnSettings;
  readonly live: LiveLimits;
  readonly admission: Admission;
  readonly keys: UserKeys;
}

export async function serve(
  options: DaemonOptions,
  inherited: InheritedSockets,
  log: Logger,
): Promise<Running> {
  await using parts = new AsyncDisposableStack();
  const ground = await layGround(options, inherited, log, parts);
  const layersInUse = () => ground.used.engine?.layersInUse() ?? new Set<string>();
  const storage = await openStorage({ ...ground, layersInUse });
  const engine = await openEngine(ground, storage);
  const user = await openUserParts(ground, storage, engine);
  const admin = await adminParts(ground, storage, engine, user);
  const clients = openLogins(ground, storage, engine, user, admin);
  await openAdmin(ground, admin);
  ground.used.metrics = ground.parts.use(
    await openMetrics(ground.metrics, { ...ground, ...storage, engine, ...options }),
  );
  listen(ground, engine, clients);
  ground.used.cron = startByItself({ ...ground, ...ground.logins, ...storage, ...user, engine });
  const { cgroups, networks, policy } = ground;
  return { engine, cgroups, networks, policy, parts: parts.move() };
}

async function layGround(
  options: DaemonOptions,
  inherited: InheritedSockets,
  plainLog: Logger,
  parts: AsyncDisposableStack,
): Promise<Ground> {
  const users = new Users();
  const log = withNames(plainLog, (uid) => users.nameOf(uid as Uid));
  const networkState = await openNetworkState(options.state);
  const policy = parts.use(await openPolicy(options, networkState.defaultNetwork, log));
  // At a socket that systemd holds there always is somebody, and systemd starts one daemon only.
  const sockets = await claimSockets(options.run, inherited);
  const cgroups = await CgroupHost.open(options.cgroup, undefined, {
    rare: policy.rareControllers(),
    disk: diskOf(options.state),
  });
  const networks = parts.use(openNetworks(networkState, policy, { options, cgroups, log }));
  const metrics = new Metrics();
  const logins = openRecords(options, () => policy.host, metrics, log, parts);
  const used: Ground['used'] = { asked: new AskedInside(log) };
  const lingerMs = (uid: Uid) => lingerOf(used.engine?.settingsOf(uid));
  const notices = new UserNotices({ state: options.state, boot: logins.boot, lingerMs, log });
  const recordings = parts.use(
    Recordings.open(below(options.audit, 'recordings'), () => policy.host.recordingsKeepMs, log),
  );
  return {
    ...{ options, inherited, sockets, parts, policy, cgroups, networkState, networks },
    ...{ logins, notices, recordings, metrics, users, log, used },
  };
}

async function openEngine(ground: Ground, { store, images }: Storage): Promise<Engine> {
  const { options, parts, cgroups, networks, logins, notices, recordings, users, used, log } = ground;
  const engine = parts.use(
    await Sandboxes.open({
      run: options.run,
      libexec: options.libexec,
      cgroups,
      networks,
      lxcfs: { folder: options.lxcfs, pidFile: options.lxcfsPid },
      log,
      events: eventsFor({ ...logins, notices, recordings, used, images, log }),
      byWhom: askedBy,
    }),
  );
  used.engine = engine;
  const running = new Set(
    engine.loads().flatMap(({ sessions, connections }) => [...sessions, ...connections]),
  );
  await notices.settle(new Set(engine.uids()));
  logins.settle(running);
  await recordings.settle(running);
  await keepDisks(store, engine, log);
  engine.renew(); // what happened while there was no daemon, nobody has told them
  const changed = (): void => {
    log.debug("the host's programs have changed");
    engine.renew();
  };
  parts.use(HostChanges.watch({ changed }));
  const teller = new OutOfMemoryTeller(engine, logins.records, (uid) => users.nameOf(uid));
  parts.use(OutOfMemoryWatch.start(path.basename(options.cgroup), (event) => teller.tell(event), log));
  return engine;
}

async function openUserParts(
  { options, policy, users, cgroups, used, parts, log }: Ground,
  { reserve, store, images }: Storage,
  engine: Engine,
): Promise<UserParts> {
  const access = new LayerAccess(engine, store);
  const layers = new UserLayers(store, images, access, reserve);
  await layers.cleanUp();
  const ownSettings = new OwnSettings(policy, store);
  const live = new LiveLimits({ policy, ownSettings, users, engine, cgroups, store, log });
  used.live = live;
  const admission = new Admission(
    () => policy.host,
    () => engine.loads(),
  );
  used.admission = admission;
  const keys = parts.use(await UserKeys.open({ policy, users, store, engine, log }));
  used.keys = keys;
  const gateway = GatewaySettings.open(options.run, policy, log);
  policy.follow(() => {
    gateway.changed();
    live.changed();
    admission.changed();
    keys.changed();
    used.metrics?.listenAt(policy.host.metrics);
  });
  live.changed();
  keys.changed();
  return { access, layers, ownSettings, live, admission, keys };
}

function openLogins(
  ground: Ground,
  { store }: Storage,
  engine: Engine,
  user: UserParts,
  admin: AdminParts,
): Clients {
  const { options, policy, users, networks, notices, used, log } = ground;
  const { history, records, audit } = ground.logins;
  const { layers, live, ownSettings, admission } = user;
  const internalSftp = new InternalSftp(options.sshdConfig, log);
  const { metrics } = ground;
  const follow = (uid: Uid): void => live.follow(uid);
  const selfService = new SelfService({ admin, history, notices, records, metrics, follow });
  const inside = new InsideService({ users, store, ownSettings, policy, selfService });
  used.asked.serve((asked) => inside.answer(asked));
  return openClients({
    ...{ policy, ownSettings, users, store, layers, systemCalls: new SystemCalls(), networks, engine },
    ...{ history, admission, selfService, notices, records, audit, metrics },
    ...{ recordings: ground.recordings, internalSftp, log },
  });
}

async function adminParts(
  ground: Ground,
  storage: Storage,
  engine: Engine,
  user: UserParts,
): Promise<AdminParts> {
  const { options, parts, policy, users, logins, cgroups, log } = ground;
  const { store, images } = storage;
  const { access, layers, ownSettings, live, keys } = user;
  const scratch = path.join(options.state, 'tmp');
  await removeOrWarn(images.layerProgram, scratch, { log }); // of a bootstrap that was killed
  const operations = parts.use(new Operations(log));
  return {
    engine,
    images,
    layers,
    upgrades: new Upgrades(store, images, access),
    accounts: new Accounts(store, images.layerProgram, access, ground.networkState, keys),
    archives: new UserArchives({ store, program: images.layerProgram, access, engine, log }),
    keys,
    users,
    store,
    policy,
    ownSettings,
    networks: networksOf(engine, ground.networks, ground.networkState.defaultNetwork),
    history: logins.history,
    audit: logins.audit,
    recordings: ground.recordings,
    operations,
    cgroup: cgroups.mode,
    scratch,
    paths: {
      config: options.config,
      audit: options.audit,
      state: options.state,
      run: options.run,
      libexec: options.libexec,
    },
    unenforced: () => live.unenforced(),
    log,
  };
}

async function openAdmin({ inherited, sockets, parts }: Ground, of: AdminParts): Promise<void> {
  const admin = await serveAdmin(inherited.get('admin') ?? sockets.admin, of);
  parts.defer(() => {
    admin.close();
  });
}

/** From here on somebody can log in. */
function listen(ground: Ground, engine: Engine, clients: Clients): void {
  const { options, inherited, sockets, parts, used, log } = ground;
  const place = { run: options.run, inherited, sockets, parts, log };
  used.doors = listenTo(place, clients, engine.uids());
}
