// Follows the host's network: its addresses, its default routes, and with them how sandboxes get out. The kernel tells of
// changes (rtnetlink(7)); nothing is asked for without one.

import { OwnedFd } from '../../lib/fd.ts';
import { addon } from '../addon.ts';
import { type HostRoutes, readRoutes } from './routes.ts';

/** Several changes in a row are looked at together: an interface that comes up is a dozen. */
const settleMs = 20;

export class HostNetwork implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;
  readonly #changed: () => void;
  #routes: HostRoutes;
  #timer: NodeJS.Timeout | undefined;

  /** Takes the descriptor. */
  private constructor(fd: OwnedFd, changed: () => void) {
    this.#fd = fd;
    this.#changed = changed;
    this.#stop = addon().poll(fd.borrow(), () => this.#told());
    this.#routes = readRoutes(); // after it is watched, so that no change is missed
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

  #told(): void {
    if (!addon().uplinkChanged(this.#fd.borrow())) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#routes = readRoutes();
      this.#changed();
    }, settleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}
