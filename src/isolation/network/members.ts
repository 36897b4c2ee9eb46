// Knows every sandbox with a private network, and tells its supervisor what is another thing by now: the policy, the
// host's addresses, or who else is in a network that it shares.

import { DockershError } from '../../lib/errors.ts';
import type { PrivateNetwork } from '../../lib/network/network.ts';
import type { Uid } from '../../lib/values/uid.ts';
import {
  type NetworkPlan,
  type Peer,
  planOf,
  type SandboxLink,
  type Surroundings,
  samePlan,
} from './plan.ts';

/** A sandbox as its network sees it. */
export interface Subject {
  readonly uid: Uid;
  /** The user's name, by which those in the same network reach it. */
  readonly user: string;
  readonly hostname: string;
  readonly link: SandboxLink;
}

/** Has a supervisor make its network like that. Undefined: it has. */
export type Tell = (plan: NetworkPlan) => Promise<DockershError | undefined>;

interface Member {
  readonly subject: Subject;
  readonly tell: Tell;
  /** Ports that could not be published, and why. */
  missing: readonly string[];
  /** Undefined: not known yet, of a sandbox that an earlier daemon has started. */
  network: PrivateNetwork | undefined;
  /** What its supervisor has, as far as is known. */
  told: NetworkPlan | undefined;
  retry: NodeJS.Timeout | undefined;
  /** Of one whose network is not known: whether the others wait for that, as it may be their peer. */
  isAwaited: boolean;
}

/** Of a sandbox's network, for whoever asks. */
export interface Known {
  readonly networks: readonly string[];
  readonly published: readonly string[];
  readonly missing: readonly string[];
}

export interface MembersOptions {
  /** Undefined: not known yet. */
  readonly surroundings: () => Surroundings | undefined;
  /** Before a supervisor hears of it, and without a plan when it is gone. */
  readonly planned: (link: SandboxLink, plan: NetworkPlan | undefined) => void;
  /** Its supervisor has made it so. */
  readonly changed: (subject: Subject) => void;
  readonly failed: (subject: Subject, error: unknown) => void;
}

/** Those who start or end one after the other are told of together. */
const togetherMs = 30;
/** How long those wait for each other that an earlier daemon has started. */
const othersMs = 1_000;
/** After a supervisor could not. */
const againMs = 10_000;

export class Members {
  readonly #options: MembersOptions;
  readonly #members = new Map<Uid, Member>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#members.size;
  }

  links(): SandboxLink[] {
    return [...this.#members.values()].map(({ subject }) => subject.link);
  }

  /** Nothing, as long as it is not known what the policy says. */
  known(uid: Uid): Known {
    const { network, told, missing = [] } = this.#members.get(uid) ?? {};
    return { networks: network?.networks ?? [], published: told?.published ?? [], missing };
  }

  /** Whether these are others than those known before. */
  missing(uid: Uid, ports: readonly string[]): boolean {
    const member = this.#members.get(uid);
    if (member === undefined || member.missing.join() === ports.join()) return false;
    member.missing = ports;
    return true;
  }

  /** What a sandbox that is about to be built is given. */
  planFor(subject: Subject, network: PrivateNetwork): NetworkPlan {
    const surroundings = this.#options.surroundings();
    if (surroundings === undefined)
      throw new DockershError('E_NETWORK', { why: 'the host is not ready for it' });
    return this.#plan(subject, network, surroundings);
  }

  /** `plan`: what its supervisor has been told; undefined: that is not known. */
  join(subject: Subject, tell: Tell, network?: PrivateNetwork, plan?: NetworkPlan): void {
    this.#members.set(subject.uid, {
      ...{ subject, tell, network, told: plan, retry: undefined, missing: [] },
      isAwaited: network === undefined,
    });
    if (plan !== undefined) this.#options.planned(subject.link, plan);
    if (network !== undefined && network.networks.length > 0) this.refreshSoon();
  }

  /** Nothing is left of it. Another one of the same user may be there already. */
  leave(uid: Uid, link: SandboxLink): void {
    const member = this.#members.get(uid);
    if (member?.subject.link.name !== link.name) return;
    clearTimeout(member.retry);
    this.#members.delete(uid);
    this.#options.planned(link, undefined);
    if ((member.network?.networks.length ?? 0) > 0) this.refreshSoon();
  }

  /** The policy says this of it now. */
  follow(uid: Uid, network: PrivateNetwork): void {
    const member = this.#members.get(uid);
    if (member === undefined) return;
    const before = member.network?.networks;
    member.network = network;
    if (this.#waitsForOthers(member)) return;
    this.#tell(member);
    // Members of shared networks are each other's concern.
    if ((before ?? []).join() !== network.networks.join()) this.refreshSoon();
  }

  /** Something that concerns all of them has changed. */
  refresh(): void {
    for (const member of this.#members.values()) this.#tell(member);
  }

  refreshSoon(ms = togetherMs): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const member of this.#members.values()) member.isAwaited = false;
      this.refresh();
    }, ms).unref();
  }

  /** After a start of the daemon: else a member would lose its peers until they are known as well. */
  #waitsForOthers(member: Member): boolean {
    if (!member.isAwaited) return false;
    member.isAwaited = false;
    const isLast = [...this.#members.values()].every(({ isAwaited }) => !isAwaited);
    if (!isLast) {
      this.refreshSoon(othersMs);
      return true;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.refresh();
    return true;
  }

  #plan(subject: Subject, network: PrivateNetwork, surroundings: Surroundings): NetworkPlan {
    const own = { link: subject.link, hostname: subject.hostname, peers: this.#peersOf(subject, network) };
    return planOf(network, own, surroundings);
  }

  #peersOf({ uid }: Subject, { networks }: PrivateNetwork): Peer[] {
    if (networks.length === 0) return [];
    return [...this.#members.values()].flatMap(({ subject, network }) =>
      subject.uid !== uid && network?.networks.some((name) => networks.includes(name)) === true
        ? [{ name: subject.user, addresses: subject.link.addresses }]
        : [],
    );
  }

  #tell(member: Member): void {
    const surroundings = this.#options.surroundings();
    if (member.network === undefined || surroundings === undefined) return;
    let plan: NetworkPlan;
    try {
      plan = this.#plan(member.subject, member.network, surroundings);
    } catch (error) {
      this.#failed(member, error);
      return;
    }
    if (member.told !== undefined && samePlan(plan, member.told)) return;
    member.told = plan;
    this.#options.planned(member.subject.link, plan);
    member
      .tell(plan)
      .then((failure) => {
        if (failure === undefined) this.#options.changed(member.subject);
        else this.#failed(member, failure);
      })
      .catch((error: unknown) => this.#failed(member, error));
  }

  #failed(member: Member, error: unknown): void {
    if (this.#members.get(member.subject.uid) !== member) return;
    this.#options.failed(member.subject, error);
    member.told = undefined;
    clearTimeout(member.retry);
    member.retry = setTimeout(() => this.#tell(member), againMs).unref();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const { retry } of this.#members.values()) clearTimeout(retry);
  }
}
