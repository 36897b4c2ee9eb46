// Writes and reads what is said of kept sessions, and of logins that look at them (docs/protocol.md, "Kept sessions"). Pure.

import { fieldsOf, textOf, u32Of, u64sOf, type WireMessage, WireWriter } from '../../lib/wire.ts';
import type { KeptEvents, LookSpec, Looks, RecordingState } from '../engine.ts';

/** enum looks (native/supervisor/kept/kept.h). */
const lookNumbers = { attach: 0, peek: 1, watch: 2, join: 3 } as const;
const lookNames = new Map<number, Looks>(
  Object.entries(lookNumbers).map(([name, number]) => [number, name as Looks]),
);
const looksOf = (number: number | undefined): Looks => lookNames.get(number ?? -1) ?? 'peek';

/** No end. */
const forEver = 2n ** 64n - 1n;
export const keepMsOf = (forMs: number | null): bigint => (forMs === null ? forEver : BigInt(forMs));

function forMsOf(message: WireMessage): number | null {
  const [ms = 0n] = u64sOf(message, 'keepMs');
  return ms >= 2n ** 63n ? null : Number(ms);
}

/** A login that looks at another session: no program is run for it. */
export function lookMessage({ id, target, looks, tells, takes, env }: LookSpec, note: object): Buffer {
  const writer = new WireWriter('session').text('id', id).text('target', target);
  writer.u32('view', lookNumbers[looks]).text('text', JSON.stringify(note));
  if (tells === true) writer.u32('tells', 1);
  if (takes === true) writer.u32('takes', 1);
  for (const entry of env) writer.byteString('env', entry);
  return writer.finish(1);
}

/** `id` undefined: all of them. */
export const detachMessage = (id: string | undefined): Buffer =>
  new WireWriter('detach').text('id', id ?? '').finish();

export const touchMessage = (id: string): Buffer => new WireWriter('touch').text('id', id).finish();

export const keepMessage = (id: string | undefined, forMs: number | null): Buffer =>
  new WireWriter('keep')
    .text('id', id ?? '')
    .u64('keepMs', keepMsOf(forMs))
    .finish();

type Of<Name extends keyof KeptEvents> = Omit<Parameters<KeptEvents[Name]>[0], 'uid' | 'user'>;

/** What becomes of a session that has a keeper. */
export type KeptEvent =
  | ({ readonly what: 'detached' } & Of<'sessionDetached'>)
  | ({ readonly what: 'attached' } & Of<'sessionAttached'>)
  | ({ readonly what: 'recording' } & Of<'sessionRecording'>);

/** enum recording_word (native/supervisor/keeper/keeper.h). */
const recordingStates = new Map<number, RecordingState>([
  [1, 'waits'],
  [2, 'goes-on'],
  [3, 'ends'],
]);

/** Calls back with what DETACHED, ATTACHED or RECORDING says. */
export function keptEventIn(message: WireMessage, tell: (event: KeptEvent) => void): void {
  const id = textOf(message, 'id') ?? '';
  const state = recordingStates.get(u32Of(message, 'kind') ?? 0);
  if (message.type === 'detached') {
    tell({ what: 'detached', id, forMs: forMsOf(message) });
  } else if (message.type === 'attached') {
    const viewer = textOf(message, 'viewer') ?? '';
    tell({ what: 'attached', id, viewer, looks: looksOf(u32Of(message, 'view')) });
  } else if (state !== undefined) {
    tell({ what: 'recording', id, state });
  }
}

/** What STATE says of them. */
export interface KeptState {
  /** Of the sessions, what has a keeper. */
  readonly kept: readonly {
    readonly id: string;
    readonly keeps: boolean;
    /** Until its end, where nobody is at it; null: there is none, or somebody is. */
    readonly leftMs: number | null;
    /** Since when nobody is; undefined: somebody is. */
    readonly aloneMs: number | undefined;
    /** It stands still: there is no room for its recording. */
    readonly waits: boolean;
  }[];
  readonly viewers: readonly { readonly id: string; readonly target: string; readonly looks: Looks }[];
}

export const keptStateOf = (message: WireMessage): KeptState => ({
  kept: fieldsOf(message, 'sessionKept').map(keptIn),
  viewers: fieldsOf(message, 'viewer').map(viewerIn),
});

function keptIn(value: Buffer): KeptState['kept'][number] {
  const [id = '', keeps, left, alone, waits] = value.toString('utf8').split('\0');
  const leftMs = Number(left);
  return {
    id,
    keeps: keeps === '1',
    leftMs: leftMs < 0 ? null : leftMs,
    aloneMs: leftMs === -1 ? undefined : Number(alone),
    waits: waits === '1', // an earlier version does not say
  };
}

function viewerIn(value: Buffer): KeptState['viewers'][number] {
  const [id = '', target = '', looks] = value.toString('utf8').split('\0');
  return { id, target, looks: looksOf(Number(looks)) };
}
