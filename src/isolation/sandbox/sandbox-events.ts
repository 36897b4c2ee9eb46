// Describes what a sandbox tells of itself, and how long its supervisor is waited for.

import { setTimeout as delayRef } from 'node:timers/promises';
import type { Uid } from '../../lib/values/uid.ts';
import type { ConnectionEnd, Forward, KeptEvents, SessionEnd } from '../engine.ts';
import type { KeptEvent } from '../supervisor/kept-messages.ts';

export interface SandboxEvents extends KeptEvents {
  readonly started: (steps: readonly { readonly name: string; readonly ns: bigint }[]) => void;
  readonly sessionEnded: (end: SessionEnd) => void;
  readonly connectionEnded: (end: ConnectionEnd) => void;
  readonly forwarded: (forward: Forward) => void;
  /** As Asked has it. */
  readonly asked: (words: Buffer, answer: (message: Buffer) => void) => void;
  /** Of its network, as its supervisor says it. */
  readonly refused: (lines: readonly string[]) => void;
  readonly missing: (lines: readonly string[]) => void;
  /** There are processes that the kernel can't end; the sandbox is gone all the same. */
  readonly left: () => void;
  readonly gone: () => void;
}

/** What becomes of one of its sessions. */
export function tellKept(
  event: KeptEvent,
  { uid, user }: { readonly uid: Uid; readonly user: string },
  events: KeptEvents,
): void {
  if (event.what === 'detached') events.sessionDetached({ ...event, uid, user });
  else if (event.what === 'attached') events.sessionAttached({ ...event, uid, user });
  else events.sessionRecording({ ...event, uid, user });
}

export const patience = {
  /** Of a sandbox of an earlier version, which did not write down its own. */
  longGraceMs: 55_000,
  /** After the grace the supervisor kills by itself, and leaves behind after 5 s what can't be ended. */
  endMs: 8_000,
  inspectMs: 500,
  /** Above what a supervisor gives the kernel (native/supervisor/control/pause.c). */
  pauseMs: 5_000,
  noAnswer: 'its supervisor does not answer',
} as const;

/** A value after a time that keeps nothing waiting. */
export const delay = <T>(ms: number, value: T): Promise<T> => delayRef(ms, value, { ref: false });
