// Describes what a supervisor tells the daemon of its sandbox.

import type { DockershError } from '../../lib/errors.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import type { ConnectionEnd, Forward, Work } from '../engine.ts';
import type { EndedSession } from './answers.ts';
import type { KeptEvent } from './kept-messages.ts';

export interface SupervisorEvents {
  /** `stepsNs`: when the build began, and each step of it (buildSteps). */
  readonly ready: (initPid: number, stepsNs: readonly bigint[]) => void;
  readonly failed: (failure: DockershError) => void;
  /** Undefined: of a version that does not say why. */
  readonly stopping: (cause: EndCause | undefined, work: Work | undefined) => void;
  readonly sessionEnded: (end: EndedSession) => void;
  readonly connectionEnded: (end: Omit<ConnectionEnd, 'uid'>) => void;
  readonly forwarded: (forward: Forward) => void;
  readonly kept: (event: KeptEvent) => void;
  /** What was refused on its network: "PROTOCOL ADDRESS PORT COUNT". */
  readonly refused: (lines: readonly string[]) => void;
  /** Which ports could not be published: "PROTOCOL ADDRESS PORT WHY". */
  readonly missing: (lines: readonly string[]) => void;
  readonly asked: (words: Buffer, answer: (message: Buffer) => void) => void;
  /** Nothing of the user's runs any more, but there are processes that the kernel can't end. */
  readonly left: () => void;
  /** Nothing of the sandbox is left, or the supervisor has died. */
  readonly gone: () => void;
}
