// Gives sandboxes their private networks: addresses from the pools, a way out of the host, and the host's own rules for
// them. Nothing of the host is touched before the first one.

import type { DockershError } from '../../lib/errors.ts';
import { toDockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { type Cidr, formatCidr, parseCidr } from '../../lib/network/address.ts';
import type { PortPool, PrivateNetwork } from '../../lib/network/network.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { HostNetwork } from './host-network.ts';
import { HostTable } from './host-table.ts';
import { linkName } from './links.ts';
import { Members, type Subject, type Tell } from './members.ts';
import { type NetworkPlan, opens, type SandboxLink, type Surroundings } from './plan.ts';
import { addressOf, choosePool4, choosePool6, type Pools, resolverOf } from './pool.ts';
import { RefusedTraffic } from './refused.ts';
import type { DnsRelay } from './relay.ts';
import { HostResolvConf } from './resolv-conf.ts';
import type { NetworkState } from './state.ts';
import { Sysctls } from './sysctls.ts';
import { decideIpv6, forward, type Ipv6, mtuOf, noPool6, switchedOn, uplinksOf } from './uplink.ts';

/** What the policy says of all networks together. */
export interface NetworkSettings {
  /** null: one is chosen. */
  readonly networkPool: Cidr | null;
  readonly networkPool6: Cidr | null | 'none';
  readonly publishPool: PortPool | null;
  readonly moshPool: PortPool | null;
}

export interface NetworksOptions {
  readonly state: NetworkState;
  readonly settings: () => NetworkSettings;
  readonly relay: Pick<DnsRelay, 'socket' | 'want' | typeof Symbol.dispose>;
  readonly log: Logger;
}

/** What is in force since the first private network. */
interface Basis {
  readonly host: HostNetwork;
  readonly resolvConf: HostResolvConf;
  pools: Pools;
  ipv6: Ipv6;
  /** The host's table and its settings are as they should be. */
  isReady: boolean;
}

/** For administrators. */
export interface NetworksStatus {
  readonly pools: readonly string[];
  readonly uplinks: readonly string[];
  /** Why there is no IPv6; undefined: there is. */
  readonly withoutIpv6: string | undefined;
  /** Networks of this host's own bridges, which are closed. */
  readonly bridged: readonly string[];
  /** Settings of the host that were switched on. */
  readonly switchedOn: readonly string[];
}

export class Networks {
  readonly #options: NetworksOptions;
  readonly #sysctls: Sysctls;
  readonly #table: HostTable;
  readonly #members: Members;
  readonly refused: RefusedTraffic;
  #basis: Basis | undefined;
  #beginning: Promise<Basis> | undefined;
  /** Why this host cannot, as a start has shown; it is tried again after a while. */
  #unable: { readonly failure: DockershError; readonly untilMs: number } | undefined;

  constructor(options: NetworksOptions) {
    const { state, log } = options;
    this.#options = options;
    this.#sysctls = new Sysctls(state);
    this.#table = new HostTable(log);
    this.refused = new RefusedTraffic(log);
    this.#members = new Members({
      surroundings: () => this.#surroundings(),
      planned: (link, plan) => this.#table.open(link.addresses, plan !== undefined && opens(plan)),
      changed: ({ uid, user }) => log.debug({ uid, user }, 'network changed'),
      failed: ({ uid, user }, error) =>
        log.error(
          { err: error, uid, user },
          'the network of a running sandbox is not as the policy says yet',
        ),
    });
  }

  /**
   * The link that the user's next sandbox gets. Undefined: this host cannot, and the policy is content with none
   * (`strict`). Throws E_NETWORK.
   */
  async link(uid: Uid, strict: boolean): Promise<SandboxLink | undefined> {
    try {
      if (!strict && this.#unable !== undefined && performance.now() < this.#unable.untilMs)
        throw this.#unable.failure;
      const { host, pools, ipv6 } = await this.#begin();
      this.#options.relay.want();
      const index = await this.#options.state.indexOf(uid);
      const all = [pools.v4, ...(pools.v6 !== undefined && ipv6.ok ? [pools.v6] : [])];
      return {
        name: linkName(uid),
        addresses: all.map((pool) => addressOf(pool, index)),
        resolver: resolverOf(pools.v4),
        pools: all.map(formatCidr),
        mtu: mtuOf(host.routes, (device) => host.mtu(device)),
        index,
      };
    } catch (error) {
      const failure = toDockershError(error, 'E_NETWORK');
      if (strict) throw failure;
      this.#options.log.warn(
        { err: failure, uid },
        'a sandbox has no network, for this host cannot give it one',
      );
      return undefined;
    }
  }

  /** A sandbox could not be built for want of something that networks need. */
  unable(failure: DockershError): void {
    this.#unable = { failure, untilMs: performance.now() + unableMs };
  }

  planFor(subject: Subject, network: PrivateNetwork): NetworkPlan {
    return this.#members.planFor(subject, network);
  }

  /** As Members.join; of a sandbox that runs already, what it needs of the host is seen to. */
  join(subject: Subject, tell: Tell, network?: PrivateNetwork, plan?: NetworkPlan): void {
    this.#members.join(subject, tell, network, plan);
    this.#options.relay.want();
    if (this.#basis?.isReady !== true) this.#keepUp();
  }

  leave(uid: Uid, link: SandboxLink): void {
    this.#members.leave(uid, link);
  }

  follow(uid: Uid, network: PrivateNetwork): void {
    this.#members.follow(uid, network);
  }

  /** Published ports that its supervisor could not have: "PROTOCOL ADDRESS PORT WHY". */
  missing(uid: Uid, user: string, ports: readonly string[]): void {
    if (!this.#members.missing(uid, ports)) return;
    const { log } = this.#options;
    if (ports.length > 0)
      log.warn({ uid, user, ports }, 'ports that this sandbox publishes are not to be had');
    else log.info({ uid, user }, 'this sandbox has all ports that it publishes by now');
  }

  known(uid: Uid): ReturnType<Members['known']> {
    return this.#members.known(uid);
  }

  status(): NetworksStatus {
    const { pool4, pool6 } = this.#options.state.pools;
    const pools = this.#basis?.pools;
    const known = pools === undefined ? [pool4, pool6] : [pools.v4, pools.v6 ?? null];
    const ipv6 = this.#basis?.ipv6;
    return {
      pools: known.flatMap((pool) => (pool === null ? [] : [formatCidr(pool)])),
      uplinks: this.#basis === undefined ? [] : uplinksOf(this.#basis.host.routes),
      bridged: this.#basis?.host.bridged.map(formatCidr) ?? [],
      withoutIpv6: ipv6 === undefined || ipv6.ok ? undefined : `${ipv6.why}. ${ipv6.hint}`,
      switchedOn: this.#sysctls.held(),
    };
  }

  /** Takes away all that was put into the host. Only where no sandbox has such a network any more. */
  async withdraw(): Promise<void> {
    const { pools, changed } = this.#options.state;
    const isUnused =
      this.#basis === undefined && pools.pool4 === null && Object.keys(changed.files).length === 0;
    if (isUnused) return;
    this.#letGo();
    this.#basis = undefined;
    this.#table.remove();
    await this.#sysctls.restore();
  }

  /** Once for all who ask at a time; whoever asks later after a failure has it tried again. */
  #begin(): Promise<Basis> {
    const basis = this.#basis;
    if (basis?.isReady === true && this.#members.size > 0) return Promise.resolve(basis);
    this.#beginning ??= this.#settle().finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  async #settle(): Promise<Basis> {
    const host = this.#basis?.host ?? HostNetwork.follow(() => this.#hostChanged());
    const pools = this.#poolsOfLinks() ?? (await this.#choosePools(host));
    const ipv6 = this.#basis?.ipv6 ?? decideIpv6(host.routes, this.#sysctls);
    const resolvConf = this.#basis?.resolvConf ?? new HostResolvConf(() => this.#members.refresh());
    this.#basis = { host, resolvConf, pools, ipv6, isReady: false };
    await this.#prepareHost(this.#basis);
    return this.#basis;
  }

  /** While sandboxes run, theirs stay: another pool could give an address twice. */
  #poolsOfLinks(): Pools | undefined {
    const blocks = this.#members.links().flatMap(({ pools }) => pools.flatMap(blockOf));
    const v4 = blocks.findLast(({ family }) => family === 4);
    return v4 === undefined ? undefined : { v4, v6: blocks.findLast(({ family }) => family === 6) };
  }

  async #choosePools({ routes }: HostNetwork): Promise<Pools> {
    const { state, settings } = this.#options;
    const { networkPool, networkPool6 } = settings();
    const { pool4, pool6 } = state.pools;
    const v4 = networkPool ?? pool4 ?? choosePool4(routes.used);
    const v6 = networkPool6 === 'none' ? undefined : (networkPool6 ?? pool6 ?? choosePool6(routes.used));
    if (networkPool === null && pool4 === null) await state.keepPools({ pool4: v4 });
    if (v6 !== undefined && networkPool6 === null && pool6 === null) await state.keepPools({ pool6: v6 });
    return { v4, v6 };
  }

  async #prepareHost(basis: Basis): Promise<void> {
    const { log } = this.#options;
    const { host, pools } = basis;
    const { routes } = host;
    const before = basis.ipv6;
    const ipv6 = pools.v6 === undefined ? noPool6 : decideIpv6(routes, this.#sysctls);
    basis.ipv6 = ipv6;
    // The rules come first: nothing is forwarded that they do not know.
    this.#table.apply({
      pools: [pools.v4, ...(pools.v6 === undefined ? [] : [pools.v6])].map(formatCidr),
      closed: switchedOn(routes, ipv6, this.#sysctls),
    });
    await forward(routes, ipv6, this.#sysctls);
    if (!ipv6.ok && (before.ok || before.why !== ipv6.why || !this.#said)) {
      log.warn({ why: ipv6.why, hint: ipv6.hint }, 'private networks have no IPv6');
    }
    this.#said = true;
    basis.isReady = true;
  }

  #said = false;
  #retry: NodeJS.Timeout | undefined;

  #hostChanged(): void {
    if (this.#basis === undefined) return;
    this.#basis.isReady = false;
    this.#keepUp();
    this.#members.refresh();
  }

  /** Of running sandboxes: what they need of the host, as soon as it can be had. */
  #keepUp(): void {
    clearTimeout(this.#retry);
    this.#begin().catch((error: unknown) => {
      this.#options.log.error({ err: error }, "sandboxes' networks are not as this host is now");
      this.#retry = setTimeout(() => this.#keepUp(), againMs).unref();
    });
  }

  #surroundings(): Surroundings | undefined {
    const { settings, relay } = this.#options;
    const { publishPool, moshPool } = settings();
    // Without the host's addresses nothing is told: they would be open.
    if (this.#basis === undefined) return undefined;
    const { host, resolvConf } = this.#basis;
    const found = { host: host.routes.own, bridged: host.bridged, resolvConf: resolvConf.text };
    return { ...found, relay: relay.socket, publishPool, moshPool };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#options.relay[Symbol.dispose]();
    this.#members.dispose();
    this.#table[Symbol.dispose]();
    this.#letGo();
  }

  #letGo(): void {
    this.#basis?.host[Symbol.dispose]();
    this.#basis?.resolvConf[Symbol.dispose]();
  }
}

/** Takes away what an earlier daemon has put into the host. Only where no sandbox has such a network. */
export async function withdrawNetworks(state: NetworkState, log: Logger): Promise<void> {
  using table = new HostTable(log);
  table.remove();
  await new Sysctls(state).restore();
}

const unableMs = 60_000;
const againMs = 2_000;

function blockOf(text: string): Cidr[] {
  const block = parseCidr(text);
  return block.ok ? [block.value] : [];
}
