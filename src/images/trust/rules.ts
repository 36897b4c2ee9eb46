// Decides whether an image may have a name, and run by it: by the keys that policy has for the name, and what was signed with
// them. Pure.

import type { KeyObject } from 'node:crypto';
import { parseImageName } from '../../lib/text/image-name.ts';
import type { Digest } from '../digest.ts';
import { type Signature, verifiedStatement } from './signature.ts';

/** One entry of images_trusted. */
export interface TrustedImages {
  /** A name, or a glob of names. */
  readonly glob: string;
  /** Files of public keys, one of which is to have signed. */
  readonly keys: readonly string[];
}

/** What the policy says at a moment. */
export interface TrustRules {
  /** False: everything is trusted. */
  readonly isOn: boolean;
  /** Entries that a name falls under. */
  readonly entriesFor: (name: string) => readonly TrustedImages[];
  /** What was made or imported here may run by a name that no entry has. */
  readonly unsignedLocal: boolean;
}

/** A public key, or why there is none, "keys/lab.pem is missing". */
export type LoadedKey = { readonly key: KeyObject } | { readonly problem: string };

/** What the store knows of an image. */
export interface ImageFacts {
  /** Of its manifest. */
  readonly digest: string;
  readonly local: boolean;
  /** About this manifest, or an index that it was taken from. */
  readonly signatures: readonly Signature[];
  /** Digests that such a signature may be about. */
  readonly accepted: readonly Digest[];
}

/** Why the image may not run by this name; undefined: it may. */
export function whyUntrusted(
  name: string,
  facts: ImageFacts,
  rules: TrustRules,
  keys: ReadonlyMap<string, LoadedKey>,
): string | undefined {
  if (!rules.isOn) return undefined;
  const entries = rules.entriesFor(name);
  if (entries.length === 0) {
    if (!facts.local) return 'no entry of "images_trusted" has a key for this name';
    return rules.unsignedLocal
      ? undefined
      : 'it was made on this host, where "unsigned_local = yes" is not set, and no entry of "images_trusted" has a key for it';
  }
  const names = [...new Set(entries.flatMap((entry) => entry.keys))];
  const problems = names.flatMap((one) => {
    const loaded = keys.get(one);
    return loaded !== undefined && 'problem' in loaded ? [loaded.problem] : [];
  });
  const reasons = names.flatMap((one) => {
    const loaded = keys.get(one);
    if (loaded === undefined || 'problem' in loaded) return [];
    return whyNotSigned(name, facts, rules, { file: one, key: loaded.key }) ?? [signed];
  });
  if (reasons.includes(signed)) return undefined;
  const [reason = unsigned] = reasons.filter((one) => one !== unsigned);
  const missing = facts.signatures.length === 0 ? 'no signature of it is kept here' : reason;
  return [missing, ...problems].join('; ');
}

const signed = 'signed';
const unsigned = 'no signature of it is by a key that the policy has for this name';

/** Undefined: it is signed with this key. */
function whyNotSigned(
  name: string,
  { signatures, accepted }: ImageFacts,
  rules: TrustRules,
  { file, key }: { readonly file: string; readonly key: KeyObject },
): string | undefined {
  let why = unsigned;
  for (const signature of signatures) {
    const said = verifiedStatement(signature, key);
    if (said === undefined) continue;
    if (!accepted.includes(said.digest))
      why = `what is signed with ${file} is another image (${said.digest})`;
    else if (!isForName(said.name, name, file, rules))
      why = `it was signed with ${file} as "${said.name}", for which the policy does not have that key`;
    else return undefined;
  }
  return why;
}

/** One key may sign many images: what was signed as one is not to be taken for another, by whoever serves it. */
function isForName(signedAs: string | undefined, name: string, file: string, rules: TrustRules): boolean {
  if (signedAs === undefined) return true;
  const parsed = parseImageName(signedAs);
  if (parsed === undefined) return false;
  // cosign leaves the tag out: every one of the repository is meant.
  const tag = parseImageName(name)?.tag ?? 'latest';
  const whole = parsed.tag === undefined && parsed.digest === undefined ? `${parsed.name}:${tag}` : signedAs;
  return rules.entriesFor(whole).some(({ keys }) => keys.includes(file));
}
