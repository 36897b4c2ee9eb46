// Keeps the host's own rules for private networks: one table, which knows links of sandboxes by their names, and of single
// sandboxes only those whose policy opens something. Whoever takes it away gets it back at once.

import { isDeepStrictEqual } from 'node:util';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { addon } from '../addon.ts';

export interface HostTableSettings {
  readonly pools: readonly string[];
  /** Interfaces that forward because of sandboxes alone: for nothing else. "*": all. */
  readonly closed: readonly string[];
}

/** Somebody who replaces rules without end is not raced with. */
const againMs = 100;

export class HostTable implements Disposable {
  readonly #log: Logger;
  /** Addresses of sandboxes that may reach more than the way out. */
  readonly #open = new Set<string>();
  #settings: HostTableSettings | undefined;
  #watch: RulesWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restoredAtMs = 0;
  /** How often it was put back. */
  restored = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Throws E_NETWORK where the kernel cannot. */
  apply(settings: HostTableSettings): void {
    if (isDeepStrictEqual(settings, this.#settings)) return;
    this.#write(settings);
    this.#settings = settings;
    this.#watch ??= new RulesWatch(new OwnedFd(addon().hostTableWatch()), () => this.#restore());
  }

  /** Of a sandbox's addresses: whether what its own rules let through passes the host's. */
  open(addresses: readonly string[], on: boolean): void {
    for (const address of addresses) {
      if (this.#open.has(address) === on) continue;
      if (on) this.#open.add(address);
      else this.#open.delete(address);
      if (this.#settings === undefined) continue;
      try {
        addon().hostTableOpen(address, on);
      } catch (error) {
        this.#log.warn({ err: error, address }, "an entry of the host's rules for networks");
        this.#restoreSoon();
      }
    }
  }

  remove(): void {
    this.#halt();
    this.#settings = undefined;
    addon().hostTableRemove();
  }

  #write(settings: HostTableSettings): void {
    try {
      addon().hostTableApply({ ...settings, open: [...this.#open] });
    } catch (error) {
      throw new DockershError('E_NETWORK', {
        why: lacksNftables(error)
          ? 'this kernel has no nftables, or not what networks need of it'
          : "the host's rules for networks cannot be made",
        hint: 'Load the modules (modprobe nf_tables nft_chain_nat nft_ct), or write network = none.',
        cause: error,
      });
    }
  }

  #restore(): void {
    if (this.#settings === undefined) return;
    if (performance.now() - this.#restoredAtMs < againMs) {
      this.#restoreSoon();
      return;
    }
    this.#restoredAtMs = performance.now();
    try {
      this.#write(this.#settings);
      this.restored += 1;
      this.#log.warn(
        { times: this.restored },
        "somebody took the host's rules for networks away: they are back",
      );
    } catch (error) {
      this.#log.error({ err: error }, "the host's rules for networks are gone and cannot be put back");
      this.#restoreSoon();
    }
  }

  #restoreSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#restore();
    }, againMs).unref();
  }

  #halt(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** Lets go of it: it stays in force. */
  [Symbol.dispose](): void {
    this.#halt();
  }
}

/** Tells when somebody else has changed our table. */
class RulesWatch implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;

  /** Takes the descriptor. */
  constructor(fd: OwnedFd, changed: () => void) {
    this.#fd = fd;
    this.#stop = addon().poll(fd.borrow(), () => {
      if (addon().hostTableChanged(fd.borrow())) changed();
    });
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}

function lacksNftables(error: unknown): boolean {
  return hasErrno(error, 'ENOENT', 'EPROTONOSUPPORT', 'EOPNOTSUPP', 'EAFNOSUPPORT', 'EINVAL');
}
