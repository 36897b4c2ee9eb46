// Knows whether lxcfs runs, and has its files ready for sandboxes that start. Nothing here asks lxcfs anything, because it
// may stop answering at any time: a process of the launcher's does (native/supervisor/figures/watch.c), which opens the
// files and says once a second that all is well. When it says otherwise, or nothing, running sandboxes give the files up.

import { closeAll, OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { figureNames, hasOwnClocks } from '../../lib/values/lxcfs.ts';
import { parseWire, u64sOf, type WireMessage, WireWriter } from '../../lib/wire.ts';
import { addon } from '../addon.ts';
import { isPeerGone } from '../socket/client-connection.ts';
import { SeqpacketConnection } from '../socket/seqpacket.ts';
import { linesOf } from './answers.ts';

export interface LxcfsPlace {
  readonly folder: string;
  /** Which has the number of its process. */
  readonly pidFile: string;
}

/** Mounts of single files, in no mount namespace; each set is for one sandbox. */
export interface FigureFiles {
  /** Which lxcfs they are of: the number of its file system. */
  readonly of: bigint;
  readonly names: readonly string[];
  readonly fds: readonly OwnedFd[];
}

export interface FiguresOptions {
  readonly place: LxcfsPlace;
  /** Sends it to the launcher; takes the descriptor. */
  readonly launch: (message: Buffer, fd: OwnedFd) => void;
  /** Hears which lxcfs there is now, as a message for supervisors. */
  readonly changed: (message: Buffer) => void;
  readonly log: Logger;
}

/** The watcher says something every second while there is an lxcfs, if that answers. */
const patienceMs = 3000;
/** Until another watcher is started where one has ended. */
const againMs = 5000;

export class Figures implements Disposable {
  readonly #options: FiguresOptions;
  #connection: SeqpacketConnection | undefined;
  #watcher: OwnedFd | undefined;
  #set: FigureFiles | undefined;
  /** 0n: there is none. Undefined: nobody has said, so that sandboxes of an earlier daemon keep what they have. */
  #of: bigint | undefined;
  #patience: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(options: FiguresOptions) {
    this.#options = options;
  }

  watch(): void {
    const { place, launch } = this.#options;
    const [ours, theirs] = addon().socketPair();
    using end = new OwnedFd(theirs);
    using parts = new DisposableStack();
    const connection = parts.use(new SeqpacketConnection(new OwnedFd(ours)));
    const request = new WireWriter('watchFigures').text('text', place.folder).text('name', place.pidFile);
    for (const name of figureNames(hasOwnClocks())) request.text('figure', name);
    launch(request.finish(1), end);
    parts.move();
    this.#listen(connection);
  }

  #listen(connection: SeqpacketConnection): void {
    this.#connection = connection;
    connection.listen({
      message: ({ data, fds }) => {
        const message = parseWire(data);
        if (message?.type === 'figuresWatcher') this.#know(fds);
        else if (message?.type === 'figures') this.#heard(message, fds);
        else closeAll(fds);
      },
      end: () => this.#ended(connection),
    });
    this.#wait();
  }

  /** For a sandbox that starts; undefined: there are none, or not yet. Whoever takes them closes them. */
  take(): FigureFiles | undefined {
    const set = this.#set;
    this.#set = undefined;
    if (set !== undefined) this.#ask();
    return set;
  }

  #know(fds: readonly OwnedFd[]): void {
    this.#watcher?.[Symbol.dispose]();
    [this.#watcher] = fds;
  }

  #heard(message: WireMessage, fds: readonly OwnedFd[]): void {
    const [of = 0n] = u64sOf(message, 'figuresOf');
    if (of === 0n) clearTimeout(this.#patience);
    else this.#wait();
    this.#are(of);
    if (fds.length === 0) return;
    this.#forget();
    this.#set = { of, names: linesOf(message, 'figure'), fds };
  }

  /** A watcher that says nothing hangs in lxcfs. */
  #wait(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#hangs(), patienceMs).unref();
  }

  #hangs(): void {
    this.#are(0n);
    if (this.#watcher !== undefined) addon().kill(this.#watcher.borrow());
    // Its end brings the next one. As long as the kernel can't end it, there is no use in another that would hang as well.
  }

  #are(of: bigint): void {
    if (this.#of === of) return;
    this.#forget();
    const before = this.#of;
    this.#of = of;
    if (of !== 0n) this.#options.log.info('lxcfs runs: new sandboxes show their own numbers in /proc');
    else if (before !== undefined)
      this.#options.log.warn(
        "lxcfs does not run any more, or does not answer: /proc shows the host's numbers",
      );
    this.#options.changed(new WireWriter('figures').u64('figuresOf', of).finish());
  }

  #ask(): void {
    try {
      this.#connection?.send(new WireWriter('figures').finish());
    } catch (error) {
      if (!isPeerGone(error)) throw error; // its end is heard
    }
  }

  #forget(): void {
    closeAll(this.#set?.fds ?? []);
    this.#set = undefined;
  }

  #ended(connection: SeqpacketConnection): void {
    connection[Symbol.dispose]();
    clearTimeout(this.#patience);
    this.#connection = undefined;
    this.#know([]);
    this.#are(0n);
    this.#later();
  }

  #later(): void {
    this.#again = setTimeout(() => {
      try {
        this.watch();
      } catch (error) {
        this.#options.log.error({ err: error }, 'nobody looks whether lxcfs runs');
        this.#later();
      }
    }, againMs).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#patience);
    clearTimeout(this.#again);
    this.#forget();
    this.#know([]);
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }
}
