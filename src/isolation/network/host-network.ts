// Follows the host's network: its addresses, its default routes, and with them how sandboxes get out. The kernel tells of
// changes (rtnetlink(7)); nothing is asked for without one.

import { OwnedFd } from '../../lib/fd.ts';
import type { Cidr } from '../../lib/network/address.ts';
import { addon } from '../addon.ts';
import { type HostRoutes, readRoutes } from './routes.ts';
import { uplinksOf } from './uplink.ts';

/** Several changes in a row are looked at together: an interface that comes up is a dozen. */
const settleMs = 20;

export class HostNetwork implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;
  readonly #changed: () => void;
  #routes: HostRoutes;
  #bridged: readonly Cidr[];
  #timer: NodeJS.Timeout | undefined;

  /** Takes the descriptor. */
  private constructor(fd: OwnedFd, changed: () => void) {
    this.#fd = fd;
    this.#changed = changed;
    this.#stop = addon().poll(fd.borrow(), () => this.#told());
    this.#routes = readRoutes(); // after it is watched, so that no change is missed
    this.#bridged = bridgedIn(this.#routes);
  }

  /** `changed` hears of other routes and addresses. */
  static follow(changed: () => void): HostNetwork {
    return new HostNetwork(new OwnedFd(addon().uplinkWatch()), changed);
  }

  get routes(): HostRoutes {
    return this.#routes;
  }

  mtu(device: string): number | undefined {
    const mtu = addon().linkMtu(device);
    return mtu === 0 ? undefined : mtu;
  }

  /**
   * Networks of bridges that are no way out: those of containers and virtual machines on this host. Whoever may forward,
   * as Docker has the host do, would let sandboxes reach what is not published there.
   */
  get bridged(): readonly Cidr[] {
    return this.#bridged;
  }

  #told(): void {
    if (!addon().uplinkChanged(this.#fd.borrow())) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#routes = readRoutes();
      this.#bridged = bridgedIn(this.#routes);
      this.#changed();
    }, settleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}

function bridgedIn(routes: HostRoutes): readonly Cidr[] {
  const uplinks = uplinksOf(routes);
  return routes.attached
    .filter(({ device }) => !uplinks.includes(device) && addon().linkIsBridge(device))
    .map(({ network }) => network);
}
