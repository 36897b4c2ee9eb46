// Failures between this host and a registry, in one vocabulary: every module here throws these and nothing else (an
// abort keeps the signal's own reason). Pure.

import { DockershError, type ErrorCode } from '../../lib/errors.ts';

/**
 * `unreachable`: no connection, or it broke. `denied`: credentials are missing or not accepted. `missing`: the
 * registry has no such thing. `answer`: it says what the protocol does not allow. `broken`: content differs
 * from its digest or size. `astray`: it leads to where we do not go, for safety. `refused`: what is asked for is
 * not done. `limit`: more than this host accepts.
 */
export type RegistryFault =
  | 'unreachable'
  | 'denied'
  | 'missing'
  | 'answer'
  | 'broken'
  | 'astray'
  | 'refused'
  | 'limit';

const codes: Readonly<Record<RegistryFault, ErrorCode>> = {
  unreachable: 'E_REGISTRY',
  denied: 'E_REGISTRY_DENIED',
  missing: 'E_NOT_FOUND',
  answer: 'E_REGISTRY',
  broken: 'E_IMAGE_BROKEN',
  astray: 'E_REGISTRY',
  refused: 'E_USAGE',
  limit: 'E_ARCHIVE_REFUSED',
};

const hints: Readonly<Record<RegistryFault, string>> = {
  unreachable: 'Check the name of the registry and the network, then try again.',
  denied: 'Check the name; if it is right, log in with "docker login" as root, or have the account allowed.',
  missing: 'Check the name and the tag.',
  answer: 'Check that the name leads to an image registry, and nothing else answers in its place.',
  broken: 'Try again; if it fails again, the image has to be pushed again.',
  astray: 'Nothing was sent there. Ask whoever runs the registry.',
  refused: 'See docs/images.md for what is not done, and why.',
  limit: 'See docs/images.md for the limits.',
};

export interface RegistryErrorOptions {
  /** "GET https://registry.example/v2/lab/base/manifests/latest", or the image. Never with credentials. */
  readonly what: string;
  readonly why: string;
  readonly hint?: string | undefined;
  /** Trying again may help. */
  readonly transient?: boolean | undefined;
  /** How long the registry asked us to stay away. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class RegistryError extends DockershError {
  readonly fault: RegistryFault;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(fault: RegistryFault, { what, why, hint, cause, ...rest }: RegistryErrorOptions) {
    super(codes[fault], { what, why: printable(why), hint: hint ?? hints[fault], cause });
    this.fault = fault;
    this.transient = rest.transient ?? false;
    this.retryAfterMs = rest.retryAfterMs;
  }
}

const maxText = 300;

/** Text of a registry, fit for a terminal and a log: no control characters, not endless. */
export function printable(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return plain.length > maxText ? `${plain.slice(0, maxText)}…` : plain;
}
