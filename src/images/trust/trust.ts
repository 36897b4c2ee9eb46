// Keeps images that the policy does not trust from getting a name, and from being run by one. The rules are asked for each
// time, so an edit of the policy counts for the next pull and the next start.

import { DockershError } from '../../lib/errors.ts';
import { type Digest, digestSchema } from '../digest.ts';
import type { Layout } from '../store/layout.ts';
import { loadKeys } from './keys.ts';
import { joinOrigins, type Origin, readOrigin, unknownOrigin } from './record.ts';
import { type ImageFacts, type TrustRules, whyUntrusted } from './rules.ts';

export interface TrustSettings {
  readonly rules: () => TrustRules;
  /** Where the files of public keys are. */
  readonly keysFolder: string;
}

export class Trust {
  readonly #layout: Layout;
  readonly #settings: TrustSettings | undefined;

  /** Without settings everything is trusted. */
  constructor(layout: Layout, settings: TrustSettings | undefined) {
    this.#layout = layout;
    this.#settings = settings;
  }

  /** Whether signatures are worth asking for. */
  get isOn(): boolean {
    return this.#settings?.rules().isOn ?? false;
  }

  /**
   * Throws E_IMAGE_UNTRUSTED where the image may not be called so. What was made here may have a name by which it does
   * not run, to be passed on, but none that an entry of the policy has.
   */
  async admit(name: string, digest: Digest, news: Origin): Promise<void> {
    const rules = this.#settings?.rules();
    if (rules?.isOn !== true) return;
    const origin = joinOrigins(digest, news, await readOrigin(this.#layout, digest));
    if (origin.local && rules.entriesFor(name).length === 0) return;
    await this.#require(name, digest, origin, rules);
  }

  /** Throws E_IMAGE_UNTRUSTED where nothing may start from the image by this name. */
  async require(name: string, digest: string, rules = this.#settings?.rules()): Promise<void> {
    if (rules?.isOn !== true) return;
    const parsed = digestSchema.safeParse(digest);
    // What is no digest is the host itself, which lies here.
    const origin = parsed.success
      ? await readOrigin(this.#layout, parsed.data)
      : { ...unknownOrigin, local: true };
    await this.#require(name, digest, origin, rules);
  }

  async #require(name: string, digest: string, origin: Origin, rules: TrustRules): Promise<void> {
    const { local, signatures, indexes } = origin;
    const own = digestSchema.safeParse(digest);
    const accepted = own.success ? [own.data, ...indexes] : indexes;
    const facts: ImageFacts = { digest, local, signatures, accepted };
    const wanted = rules.entriesFor(name).flatMap(({ keys }) => keys);
    const keys = await loadKeys(this.#settings?.keysFolder ?? '', wanted);
    const why = whyUntrusted(name, facts, rules, keys);
    if (why !== undefined)
      throw new DockershError('E_IMAGE_UNTRUSTED', { what: `image "${name}" (${digest})`, why });
  }
}
