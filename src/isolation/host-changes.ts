// Notices that programs were installed, upgraded or removed on the host. Asks the file system once a second, for some
// twenty names: what package managers write when they are done, and folders that programs are put into by hand.
// Watches (inotify) would have to be as many as there are folders in /usr, and of a limited number.

import { lstatSync } from 'node:fs';
import path from 'node:path';

const packageDatabases = [
  'var/lib/dpkg/status',
  'var/lib/rpm/rpmdb.sqlite',
  'usr/lib/sysimage/rpm/rpmdb.sqlite',
  'usr/lib/sysimage/rpm/Packages.db',
  'var/lib/pacman/local',
  'lib/apk/db/installed',
];
const folders = ['', '/local', '/local/share'].flatMap((above) =>
  ['', '/bin', '/sbin', '/games', '/lib', '/lib64', '/libexec', '/share'].map((name) => `usr${above}${name}`),
);
const names = [...packageDatabases, ...folders, 'bin', 'sbin', 'lib', 'lib64'];

const lookEveryMs = 1_000;
/** While packages are still being installed, what is there already is shown this often. */
const mostWaitMs = 10_000;

export interface HostChangesOptions {
  readonly changed: () => void;
  readonly root?: string;
}

export class HostChanges implements Disposable {
  readonly #options: HostChangesOptions;
  #timer: NodeJS.Timeout | undefined;
  #seen = '';
  #waitingSince: number | undefined;

  private constructor(options: HostChangesOptions) {
    this.#options = options;
  }

  /** Looks for the first time, and then once a second. */
  static watch(options: HostChangesOptions): HostChanges {
    const changes = new HostChanges(options);
    changes.#seen = changes.#look();
    changes.#timer = setInterval(() => changes.check(performance.now()), lookEveryMs).unref();
    return changes;
  }

  /** Tells of a change once nothing more has happened between two calls, and no later than ten seconds after it. */
  check(nowMs: number): void {
    const seen = this.#look();
    const isSteady = seen === this.#seen;
    this.#seen = seen;
    if (!isSteady) this.#waitingSince ??= nowMs;
    if (this.#waitingSince === undefined) return;
    if (!isSteady && nowMs - this.#waitingSince < mostWaitMs) return;
    this.#waitingSince = isSteady ? undefined : nowMs;
    this.#options.changed();
  }

  #look(): string {
    const root = this.#options.root ?? '/';
    return names
      .map((name) => {
        const stats = lstatSync(path.join(root, name), { bigint: true, throwIfNoEntry: false });
        return stats === undefined ? '-' : `${stats.ino}.${stats.mtimeNs}`;
      })
      .join(' ');
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
