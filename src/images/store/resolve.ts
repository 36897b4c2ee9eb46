// Resolves a name to what a sandbox needs of an image. On the path of every login: while index.json has not changed,
// an answer costs one stat.

import { openChain } from '../layers/chain.ts';
import type { LayerProgram } from '../layers/program.ts';
import type { Reference } from '../reference.ts';
import { manifestOf } from './find-manifest.ts';
import { indexKey, readIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import { readStoredImage } from './stored-image.ts';

export interface ResolvedLayer {
  /** Absolute path of the unpacked tree. Read-only, root's, never to be changed. */
  readonly path: string;
  /** Attach through an idmapped mount: ids on disk are the image's own. */
  readonly idmapped: boolean;
}

export interface ResolvedImage {
  readonly name: string;
  /** The manifest's digest, or "virtual:host:FINGERPRINT". */
  readonly digest: string;
  /** What the image is, however its layers are compressed; undefined for the virtual one. */
  readonly configDigest?: string;
  /** Topmost first. */
  readonly layers: readonly ResolvedLayer[];
  /** Read-only binds of the host's own folders, not idmapped. */
  readonly binds: readonly { readonly source: string; readonly target: string }[];
  readonly config: {
    /** "NAME=value". */
    readonly env: readonly string[];
    readonly workingDir?: string;
    /** "user", "uid", "user:group" …, as the image has it. */
    readonly user?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** Text of /etc/passwd and /etc/group as the image has them; undefined where they are no plain files. */
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export class Resolver {
  readonly #layout: Layout;
  readonly #program: LayerProgram;
  #key = '';
  readonly #byName = new Map<string, Promise<ResolvedImage | undefined>>();

  constructor(layout: Layout, program: LayerProgram) {
    this.#layout = layout;
    this.#program = program;
  }

  /** Call when something was taken out of the store: an image without a name may have gone with it. */
  forget(): void {
    this.#key = '';
  }

  /** Undefined where no such image is in the store. Throws E_IMAGE_BROKEN. */
  resolve(name: string, reference: Reference): Promise<ResolvedImage | undefined> {
    const key = indexKey(this.#layout);
    if (key !== this.#key) {
      this.#byName.clear();
      this.#key = key;
    }
    const cached = this.#byName.get(name);
    if (cached !== undefined) return cached;
    const found = this.#read(name, reference);
    this.#byName.set(name, found);
    // Neither a failure nor an absence is worth remembering; names that policy does not have are endless.
    const forget = (): void => {
      if (this.#byName.get(name) === found) this.#byName.delete(name);
    };
    void found.then((image) => image ?? forget(), forget);
    return found;
  }

  async #read(name: string, reference: Reference): Promise<ResolvedImage | undefined> {
    const manifest = await manifestOf(this.#layout, await readIndex(this.#layout), reference);
    if (manifest === undefined) return undefined;
    const image = await readStoredImage(this.#layout, manifest.digest);
    const diffIds = image.layers.map(({ diffId }) => diffId);
    const { trees, passwd, group } = await openChain(this.#layout, this.#program, diffIds);
    const { Env: env, WorkingDir: workingDir, User: user, Labels: labels } = image.config.config ?? {};
    return {
      name,
      digest: manifest.digest,
      configDigest: image.configDigest,
      layers: trees.map((path) => ({ path, idmapped: true })),
      binds: [],
      config: {
        env: env ?? [],
        ...(workingDir == null || workingDir === '' ? {} : { workingDir }),
        ...(user == null || user === '' ? {} : { user }),
        labels: Object.fromEntries(Object.entries(labels ?? {}).map(([key, value]) => [key, value ?? ''])),
      },
      passwd,
      group,
    };
  }
}
