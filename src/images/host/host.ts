// The virtual image `host`: the host's own /usr, read-only and with the host's ids, so that a sandbox reads
// only what everybody may read, below a small layer with a curated /etc. No download, there at once.
//
// The layer is rebuilt when the host's files change. A generation is named by the fingerprint of what it was
// made from and lies in host/FINGERPRINT; running sandboxes keep theirs.

import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { exists, ifThere } from '../../lib/if-there.ts';
import type { Logger } from '../../lib/log.ts';
import { hostImageName } from '../../lib/text/image-name.ts';
import { type LayerProgram, removeFolder } from '../layers/program.ts';
import type { Layout } from '../store/layout.ts';
import type { ResolvedImage } from '../store/resolve.ts';
import { systemGroup, systemPasswd } from './accounts.ts';
import { findHostFiles, type HostFile } from './files.ts';
import {
  type BesideUsr,
  buildHostLayer,
  hostBinds,
  hostLayerVersion,
  lookBesideUsr,
  lookInVar,
  withMountsBelow,
} from './layer.ts';

export interface HostImage extends Disposable {
  /**
   * The image as it is now. Files in /etc itself are looked at every two seconds at most, and a change is
   * waited for; what lies deeper every thirty seconds at most, and a login after that sees a change.
   */
  resolve(): Promise<ResolvedImage>;
  /** Moves generations that nothing uses out of sight; returns the folders to remove. */
  takeUnused(inUse: ReadonlySet<string>): Promise<string[]>;
}

export interface HostImageOptions {
  readonly hostRoot?: string;
  readonly log?: Pick<Logger, 'warn'>;
}

interface Generation {
  readonly image: ResolvedImage;
  /** Of the files directly in /etc, to notice changes cheaply. */
  readonly watched: readonly string[];
  readonly key: string;
}

interface Survey {
  readonly files: readonly HostFile[];
  readonly beside: BesideUsr;
  /** Folders of /var that are shown as they are. */
  readonly inVar: readonly string[];
  readonly fingerprint: string;
}

const checkIntervalMs = 2000;
/** More often than that: while it is done ahead, a login has nothing to look at. */
const lookAheadMs = 1500;
/** After the last login that asked for the image. */
const lookAheadForMs = 10 * 60_000;
/** Between looks at everything, which takes a thousand calls of lstat off the path of a login. */
const surveyIntervalMs = 30_000;
const buildAttempts = 3;
const bootIdFile = '/proc/sys/kernel/random/boot_id';
const accountFiles = ['passwd', 'group'] as const;

export async function openHostImage(
  layout: Layout,
  program: LayerProgram,
  options: HostImageOptions,
): Promise<HostImage> {
  const builder = new Builder(layout, program, options.hostRoot ?? '/');
  await builder.forgetBeforeBoot();
  return new CurrentHostImage(builder, await builder.build(), options.log);
}

class CurrentHostImage implements HostImage {
  readonly #builder: Builder;
  readonly #log: Pick<Logger, 'warn'> | undefined;
  #current: Generation;
  #checkedAt = performance.now();
  #surveyedAt = performance.now();
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #building: Promise<Generation> | undefined;
  /** What a login waits for: a file in /etc itself has changed. */
  #renewing: Promise<Generation> | undefined;

  constructor(builder: Builder, first: Generation, log: Pick<Logger, 'warn'> | undefined) {
    this.#builder = builder;
    this.#current = first;
    this.#log = log;
  }

  async resolve(): Promise<ResolvedImage> {
    this.#askedAt = performance.now();
    this.#timer ??= setInterval(() => this.#lookAhead(), lookAheadMs).unref();
    if (this.#askedAt - this.#checkedAt >= checkIntervalMs) this.#check();
    return (this.#renewing === undefined ? this.#current : await this.#renewing).image;
  }

  /** While logins come, so that none of them waits for a hundred calls of lstat. */
  #lookAhead(): void {
    if (performance.now() - this.#askedAt >= lookAheadForMs) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    try {
      this.#check();
    } catch {
      // What cannot be read is looked at again, and reported, by the next login.
      this.#checkedAt = Number.NEGATIVE_INFINITY;
    }
  }

  #check(): void {
    this.#checkedAt = performance.now();
    const changed = this.#builder.keyOf(this.#current.watched) !== this.#current.key;
    if (!changed && performance.now() - this.#surveyedAt < surveyIntervalMs) return;
    this.#surveyedAt = performance.now();
    const rebuilt = this.#rebuild();
    if (!changed) return;
    this.#renewing = rebuilt.finally(() => {
      this.#renewing = undefined;
    });
  }

  /** One at a time. A failure keeps what there is: logins do not depend on a new file in /etc. */
  #rebuild(): Promise<Generation> {
    this.#building ??= this.#builder
      .build()
      .then((built) => {
        this.#current = built;
      })
      .catch((error: unknown) => this.#log?.warn({ err: error }, 'the host image could not be renewed'))
      .then(() => {
        this.#building = undefined;
        return this.#current;
      });
    return this.#building;
  }

  takeUnused(inUse: ReadonlySet<string>): Promise<string[]> {
    const used = new Set(inUse);
    for (const layer of this.#current.image.layers) used.add(layer.path);
    // A generation that is just being built is in tmp/ or not yet current: leave everything alone.
    return this.#building === undefined ? this.#builder.takeUnused(used) : Promise.resolve([]);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

class Builder {
  readonly #layout: Layout;
  readonly #program: LayerProgram;
  readonly #root: string;
  readonly #etc: string;

  constructor(layout: Layout, program: LayerProgram, root: string) {
    this.#layout = layout;
    this.#program = program;
    this.#root = root;
    this.#etc = path.join(root, 'etc');
  }

  /**
   * A generation is not forced to the disk file by file. After a reboot, which may have been a power cut, none
   * is trusted; no sandbox that uses one can have survived that.
   */
  async forgetBeforeBoot(): Promise<void> {
    const marker = path.join(this.#layout.root, 'host-boot-id');
    const bootId = await readFile(bootIdFile, 'utf8');
    if ((await ifThere(readFile(marker, 'utf8'))) === bootId) return;
    for (const folder of await this.takeUnused(new Set())) await removeFolder(this.#program, folder);
    await writeFileAtomic(marker, bootId);
  }

  /** The generation of the host's files as they are now, made where it is missing. */
  async build(): Promise<Generation> {
    for (let attempt = 1; ; attempt += 1) {
      const survey = await this.#survey();
      const target = path.join(this.#layout.host, survey.fingerprint);
      if (!(await exists(target))) {
        const folder = await mkdtemp(path.join(this.#layout.tmp, 'host-'));
        const tree = path.join(folder, 'tree');
        await mkdir(tree);
        await buildHostLayer(tree, this.#etc, survey.files, survey.beside);
        // Files that changed while they were copied would make a mixture under a name that claims otherwise.
        const steady = (await this.#survey()).fingerprint === survey.fingerprint;
        if (steady || attempt === buildAttempts) await rename(tree, target);
        await removeFolder(this.#program, folder);
        if (!steady && attempt < buildAttempts) continue;
        await syncFolder(this.#layout.host);
      }
      return this.#generation(survey, target);
    }
  }

  async #survey(): Promise<Survey> {
    const files = await findHostFiles(this.#root);
    const beside = await lookBesideUsr(this.#root);
    const inVar = await lookInVar(this.#root);
    const hash = createHash('sha256').update(JSON.stringify([hostLayerVersion, beside, inVar]));
    for (const { name, stats } of files) hash.update(`\n${name}\0${stampOf(stats)}`);
    return { files, beside, inVar, fingerprint: hash.digest('hex').slice(0, 32) };
  }

  async #generation(survey: Survey, tree: string): Promise<Generation> {
    const top = survey.files.map((file) => file.name).filter((name) => !name.includes('/'));
    const inEtc = [...top, ...accountFiles].map((name) => path.join(this.#etc, name));
    const watched = [...inEtc, ...survey.inVar.map((name) => path.join(this.#root, name))];
    const key = this.keyOf(watched); // before reading: a change in between is noticed next time
    const passwd = await ifThere(readFile(path.join(this.#etc, 'passwd'), 'utf8'));
    const group = await ifThere(readFile(path.join(this.#etc, 'group'), 'utf8'));
    const image: ResolvedImage = {
      name: hostImageName,
      digest: `virtual:${hostImageName}:${survey.fingerprint}`,
      layers: [{ path: tree, idmapped: true }],
      binds: await withMountsBelow(hostBinds(this.#root, survey.beside, survey.inVar)),
      config: { env: [], labels: {} },
      passwd: passwd === undefined ? undefined : systemPasswd(passwd),
      group: group === undefined ? undefined : systemGroup(group),
    };
    return { image, watched, key };
  }

  /** Synchronous on purpose: some sixty calls of lstat cost less than handing them to another thread. */
  keyOf(watched: readonly string[]): string {
    return watched
      .map((file) => {
        const stats = lstatSync(file, { bigint: true, throwIfNoEntry: false });
        return stats === undefined ? '-' : stampOf(stats);
      })
      .join('\n');
  }

  async takeUnused(used: ReadonlySet<string>): Promise<string[]> {
    const taken: string[] = [];
    for (const name of await readdir(this.#layout.host)) {
      const tree = path.join(this.#layout.host, name);
      if (used.has(tree) || used.has(`virtual:${hostImageName}:${name}`)) continue;
      const aside = await mkdtemp(path.join(this.#layout.tmp, 'gone-'));
      await rename(tree, path.join(aside, 'host'));
      taken.push(aside);
    }
    return taken;
  }
}

function stampOf(stats: BigIntStats): string {
  return `${stats.mode}.${stats.ino}.${stats.size}.${stats.mtimeNs}`;
}
