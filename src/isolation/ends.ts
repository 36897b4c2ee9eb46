// Describes how sandboxes and sessions begin and end, as the engine tells it. Pure types.

import type { DockershError } from '../lib/errors.ts';
import type { EndCause } from '../lib/values/causes.ts';
import type { Uid } from '../lib/values/uid.ts';

/** Who had a sandbox stopped, and with which verb of the admin protocol, or word of self-service; absent: not known. */
export interface ByWhom {
  readonly by?: string | undefined;
  readonly verb?: string | undefined;
  /** What those inside are told; absent: that the administrator does it. */
  readonly told?: string | undefined;
}

/** What goes on in a sandbox without a session. */
export interface Work {
  /** Of processes. */
  readonly count: number;
  /** Some of what they are called, each name once. */
  readonly names: readonly string[];
}

/** A session's end. */
export interface SessionEnd extends ByWhom {
  readonly id: string;
  readonly uid: Uid;
  readonly user: string;
  /** Undefined: nobody has seen its program's end. */
  readonly outcome: { readonly kind: 'exit' | 'signal'; readonly code: number } | undefined;
  readonly cause: EndCause;
  /** Nobody was at it. */
  readonly wasLeft?: boolean;
  /** Why the program could not be started; undefined: it was. */
  readonly failure: DockershError | undefined;
  /** When the supervisor received, sent, forked and executed it; 0 for what did not happen. */
  readonly stepsNs: readonly bigint[];
  /** What its leader has used, and every process that it has waited for; the memory is that of the largest of them. */
  readonly used?: {
    readonly cpuMs: number;
    readonly peakBytes: number;
    /** By read(2), write(2) and their like, whatever the descriptor was; absent: nobody knows. */
    readonly readBytes?: number | undefined;
    readonly writtenBytes?: number | undefined;
  };
  /** Of the last session of its sandbox. */
  readonly work?: Work | undefined;
}

/** Somebody in the user's sandbox asks for something, in words of their own. */
export interface Asked {
  readonly uid: Uid;
  /** The account that the sandbox was started for. */
  readonly user: string;
  readonly words: Buffer;
  /** Takes a whole message, once. */
  readonly answer: (message: Buffer) => void;
}

/** How a cold start went: name and time of each step, in order. */
export interface SandboxStart {
  readonly uid: Uid;
  readonly user: string;
  readonly image: string;
  readonly digest: string;
  readonly steps: readonly { readonly name: string; readonly ns: bigint }[];
}

/** A sandbox's end, or that it could not be started. */
export interface SandboxEnd extends ByWhom {
  readonly uid: Uid;
  readonly user: string;
  readonly cause: EndCause;
  readonly failure: DockershError | undefined;
  /** Ended with it; undefined: nobody knows. */
  readonly work?: Work | undefined;
  /** Those inside were told; absent: nothing. */
  readonly said?: string | undefined;
  /** Since it was asked for. */
  readonly ms: number;
}

/** How a session that was asked for has begun. */
export interface SessionStart {
  readonly kind: 'warm' | 'cold';
  /** Nanoseconds of CLOCK_MONOTONIC, in order: when the request was handed over, and when it was taken. */
  readonly handedOverNs: bigint;
  readonly imageDigest: string;
}
