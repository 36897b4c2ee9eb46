// Keeps the long operations that administrators have asked for: they are listed, and end when they are cancelled, when
// whoever asked has gone, and when the daemon ends. One that was asked to run on is remembered a while after its end.

import { DockershError, toDockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { printable } from '../../lib/text/printable.ts';
import {
  type AdminOperation,
  type AdminProgress,
  type AdminRequest,
  type AdminResult,
  longKindOf,
} from '../../protocol/admin.ts';

/** What an operation works with. */
export interface Work {
  readonly signal: AbortSignal;
  /** Remembers how far it has come. */
  readonly heard: (progress: AdminProgress) => void;
}

interface Operation {
  info: AdminOperation;
  readonly abort: AbortController;
  /** Settles, always well, when it has ended and nothing of it is left. */
  readonly over: Promise<void>;
}

const mostRemembered = 50;
/** What clears up after a cancelled operation is waited for; beyond that it goes on. */
const patienceMs = 20_000;

export class Operations implements AsyncDisposable {
  readonly #log: Logger;
  readonly #running = new Map<number, Operation>();
  /** Detached ones, in the order of their ends. */
  readonly #ended: AdminOperation[] = [];
  #last = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Does the work of a request. `begun` hears of its number where it is a long one. Throws E_CANCELED where it was ended. */
  async run<T>(
    request: AdminRequest,
    gone: AbortSignal,
    work: (work: Work) => Promise<T>,
    begun: (id: number) => void = () => undefined,
  ): Promise<T> {
    if (longKindOf(request.verb) === undefined) return await work({ signal: gone, heard: () => undefined });
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const abort = new AbortController();
    const operation: Operation = { info: this.#infoOf(request), abort, over };
    const leave = (): void => this.#abort(operation, gone.reason);
    if (!operation.info.detached) gone.addEventListener('abort', leave);
    this.#running.set(operation.info.id, operation);
    const heard = (progress: AdminProgress): void => {
      operation.info = { ...operation.info, progress };
    };
    begun(operation.info.id);
    try {
      if (gone.aborted && !operation.info.detached) leave();
      abort.signal.throwIfAborted();
      const result = await work({ signal: abort.signal, heard });
      this.#tellEnd(operation, 'done');
      return result;
    } catch (error) {
      // Whatever a helper says of having been killed.
      const failure: unknown = abort.signal.aborted ? abort.signal.reason : error;
      this.#tellEnd(operation, abort.signal.aborted ? 'cancelled' : 'failed', failure);
      throw failure;
    } finally {
      gone.removeEventListener('abort', leave);
      this.#running.delete(operation.info.id);
      end();
    }
  }

  list(): AdminOperation[] {
    return [...this.#ended, ...[...this.#running.values()].map(({ info }) => info)];
  }

  /** Throws E_NOT_FOUND. */
  async cancel(id: number, by: string): Promise<AdminResult<'cancel'>> {
    const operation = this.#running.get(id);
    if (operation === undefined) {
      throw new DockershError('E_NOT_FOUND', {
        what: `operation ${id}`,
        why: 'it is not under way',
        hint: 'See "dockershctl operations".',
      });
    }
    const { verb, about } = operation.info;
    this.#abort(operation, canceled(operation.info, `${by} has cancelled it`));
    return { id, verb, about, ended: await endsWithin(operation.over, patienceMs) };
  }

  #abort(operation: Operation, reason: unknown): void {
    if (operation.abort.signal.aborted) return;
    operation.info = { ...operation.info, state: 'ending' };
    operation.abort.abort(reason);
  }

  #infoOf({ verb, by, detach, params }: AdminRequest): AdminOperation {
    this.#last += 1;
    return {
      id: this.#last,
      verb: typed(verb),
      about: aboutOf(params),
      by: by ?? null,
      startedAt: new Date().toISOString(),
      detached: detach === true,
      state: 'running',
      endedAt: null,
      error: null,
      progress: null,
    };
  }

  #tellEnd({ info }: Operation, state: 'done' | 'failed' | 'cancelled', failure?: unknown): void {
    if (!info.detached) return;
    const error = failure === undefined ? null : toDockershError(failure);
    this.#ended.push({
      ...info,
      state,
      endedAt: new Date().toISOString(),
      error: error && { code: error.code, message: error.message },
    });
    if (this.#ended.length > mostRemembered) this.#ended.shift();
    const about = info.about === null ? '' : ` ${info.about}`;
    this.#log.info(
      { operation: info.id, verb: info.verb, state, code: error?.code },
      printable(`operation ${info.id}, "${info.verb}${about}", is ${state}`),
    );
  }

  /** Ends what is under way, and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#running.values()];
    for (const one of all) this.#abort(one, canceled(one.info, 'dockershd ends'));
    await endsWithin(Promise.all(all.map(({ over }) => over)), patienceMs);
  }
}

/** A verb as it is typed. */
export function typed(verb: string): string {
  return verb.replace('.', ' ');
}

export function clientHasGone(verb: string): DockershError {
  return new DockershError('E_CANCELED', { what: typed(verb), why: 'whoever asked for it has gone' });
}

function canceled({ verb, about }: AdminOperation, why: string): DockershError {
  return new DockershError('E_CANCELED', { what: about === null ? verb : `${verb} ${about}`, why });
}

interface About {
  readonly user?: string | undefined;
  readonly name?: string | undefined;
  readonly suite?: string | undefined;
  readonly path?: string | undefined;
}

function aboutOf(params: AdminRequest['params']): string | null {
  const { user, name, suite, path } = params as About;
  return user ?? name ?? suite ?? path ?? null;
}

async function endsWithin(over: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([over.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
