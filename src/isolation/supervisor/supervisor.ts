// The daemon's side of one supervisor: what is said on its control connection (docs/protocol.md, "Supervisor"), and
// nothing else. The order of calls is the business of sandbox.ts.

import type { DockershError } from '../../lib/errors.ts';
import type { Failure } from '../../lib/failures.ts';
import { closeAll, type OwnedFd } from '../../lib/fd.ts';
import { causeOf } from '../../lib/values/causes.ts';
import { parseWire, textOf, u32Of, u64sOf, type WireMessage, WireWriter } from '../../lib/wire.ts';
import { addon } from '../addon.ts';
import type { NetworkPlan, Traffic } from '../network/plan.ts';
import { type ClientConnection, isPeerGone } from '../socket/client-connection.ts';
import type { SeqpacketConnection } from '../socket/seqpacket.ts';
import {
  askIn,
  buildFailure,
  connectionEnd,
  failureIn,
  forwardIn,
  linesOf,
  type SupervisorState,
  sessionEnd,
  stateOf,
  workIn,
} from './answers.ts';
import type { SupervisorEvents } from './events.ts';
import { keptEventIn } from './kept-messages.ts';
import { NetworkChanges } from './network-changes.ts';

export type { SupervisorState } from './answers.ts';

/** What became of a session that was handed over. A refused one's client is ours again. */
export type SessionAnswer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** A client's connection that was under way is closed with the supervisor; it sends its login again by itself. */
  | { readonly kind: 'gone' };

interface Waiting {
  readonly client: ClientConnection;
  readonly answered: (answer: SessionAnswer) => void;
}

const isStopping: SessionAnswer = { kind: 'refused', failure: 'stopping' };
const isGone = 'it has just ended';

export class Supervisor implements Disposable {
  readonly #connection: SeqpacketConnection;
  readonly #events: SupervisorEvents;
  readonly #waiting = new Map<string, Waiting>();
  /** Hears first how the pause begins that was asked for last, and then when it ends by itself. */
  #pause: ((problem: string | undefined) => void) | undefined;
  #pauses = 0;
  readonly #networks = new NetworkChanges();
  #states: ((state: SupervisorState | undefined) => void)[] = [];
  #gone = false;
  /** Of PID 1 and of the supervisor itself. */
  #processes: readonly OwnedFd[] = [];

  /** Owns the connection. Nothing is heard of it before listen(). */
  constructor(connection: SeqpacketConnection, events: SupervisorEvents) {
    this.#connection = connection;
    this.#events = events;
  }

  listen(): void {
    this.#connection.listen({
      message: ({ data, fds }) => {
        const message = parseWire(data);
        const [connection] = fds;
        if (message?.type === 'refused' && connection !== undefined) this.#refused(message, connection);
        else if (message?.type === 'ready' || message?.type === 'state') this.#know(fds);
        else closeAll(fds);
        if (message !== undefined) this.#handle(message);
      },
      end: () => this.#end(),
    });
  }

  /** Sends a whole specification (specification.ts). */
  build(specification: Buffer, fds: readonly OwnedFd[]): void {
    this.#connection.send(specification, fds);
  }

  /** Hands a session or an ssh connection over with its client. Whatever this throws, the client is whose it was. */
  async handOver(id: string, data: Buffer, client: ClientConnection, file?: OwnedFd): Promise<SessionAnswer> {
    using _closed = file;
    if (this.#gone) return isStopping;
    const answer = Promise.withResolvers<SessionAnswer>();
    this.#waiting.set(id, { client, answered: answer.resolve });
    try {
      client.handOver((fd) =>
        this.#connection.send(data, file ? [fd, file] : [fd], (back) => client.giveBack(...back)),
      );
    } catch (error) {
      this.#waiting.delete(id);
      if (!isPeerGone(error)) throw error;
      return isStopping; // it has just ended
    }
    return await answer.promise;
  }

  /** `why`: what those inside are told. */
  stop(why: string): void {
    this.#connection.send(new WireWriter('stop').text('text', why).finish());
  }

  /** Says what nobody answers. */
  tell(message: Buffer): void {
    if (!this.#gone) this.#sendOrEnd(message);
  }

  #know(processes: readonly OwnedFd[]): void {
    closeAll(this.#processes);
    this.#processes = processes;
  }

  /** Kills PID 1, and with it everything inside, and the supervisor. False: it is of a version that gave no handles. */
  kill(): boolean {
    for (const handle of this.#processes) addon().kill(handle.borrow());
    return this.#processes.length > 0;
  }

  /** Takes it for gone, whatever has become of the process. */
  abandon(): void {
    if (this.#gone) return;
    this.#connection[Symbol.dispose]();
    this.#end();
  }

  /** Undefined: everything in the sandbox stands still. Otherwise why not. `ranOn`: it runs again. */
  pause(limitMs: number, ranOn: () => void): Promise<string | undefined> {
    if (this.#gone) return Promise.resolve(isGone);
    this.#pauses += 1;
    return new Promise((resolve) => {
      let isAnswered = false;
      const answered = (problem: string | undefined): void => {
        if (isAnswered) ranOn();
        else resolve(problem);
        isAnswered = true;
      };
      this.#pause = answered;
      this.#sendOrEnd(this.#pauseMessage(limitMs));
    });
  }

  /** Ends a pause. */
  resume(): void {
    this.#pause = undefined;
    if (!this.#gone) this.#sendOrEnd(this.#pauseMessage(0));
  }

  /** Has it make the sandbox's network like that. Undefined: it has, or it is gone. */
  changeNetwork(plan: NetworkPlan): Promise<DockershError | undefined> {
    if (this.#gone) return Promise.resolve(undefined);
    const { message, answer } = this.#networks.ask(plan);
    this.#sendOrEnd(message);
    return answer;
  }

  /** What has passed the sandbox's network; undefined: it is gone. */
  traffic(): Promise<Traffic | undefined> {
    if (this.#gone) return Promise.resolve(undefined);
    const { message, answer } = this.#networks.count();
    this.#sendOrEnd(message);
    return answer;
  }

  #pauseMessage(limitMs: number): Buffer {
    return new WireWriter('pause').u32('slot', this.#pauses).u32('pauseMs', limitMs).finish();
  }

  /** What it is doing now; undefined where it is gone. */
  state(): Promise<SupervisorState | undefined> {
    if (this.#gone) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#states.push(resolve);
      this.#sendOrEnd(new WireWriter('hello').finish());
    });
  }

  #sendOrEnd(message: Buffer): void {
    try {
      this.#connection.send(message);
    } catch (error) {
      if (!isPeerGone(error)) throw error; // its end tells everybody who waits
    }
  }

  #paused(message: WireMessage): void {
    if (u32Of(message, 'slot') !== this.#pauses) return; // of an earlier one, which nobody waits for any more
    this.#pause?.(u32Of(message, 'code') === 1 ? undefined : (textOf(message, 'text') ?? ''));
  }

  #handle(message: WireMessage): void {
    switch (message.type) {
      case 'ready':
        this.#events.ready(u32Of(message, 'pid') ?? 0, u64sOf(message, 'steps'));
        break;
      case 'failed':
        this.#events.failed(buildFailure(message));
        break;
      case 'accepted':
        this.#answer(message, { kind: 'accepted' });
        break;
      case 'sessionEnded':
        this.#events.sessionEnded(sessionEnd(message));
        break;
      case 'connectionEnded':
        this.#events.connectionEnded(connectionEnd(message));
        break;
      case 'forward':
        this.#events.forwarded(forwardIn(message));
        break;
      case 'detached':
      case 'attached':
      case 'recording':
        keptEventIn(message, this.#events.kept);
        break;
      case 'stopping':
        this.#events.stopping(causeOf(u32Of(message, 'cause')), workIn(message));
        break;
      case 'asked':
        this.#events.asked(...askIn(message, (answer) => this.#gone || this.#sendOrEnd(answer)));
        break;
      case 'left':
        this.#events.left();
        break;
      case 'paused':
        this.#paused(message);
        break;
      case 'networkSet':
        this.#networks.answered(message);
        break;
      case 'traffic':
        this.#networks.counted(message);
        break;
      case 'networkRefused':
        this.#events.refused(linesOf(message, 'netRefused'));
        break;
      case 'portsMissing':
        this.#events.missing(linesOf(message, 'netMissing'));
        break;
      case 'state':
        this.#states.shift()?.(stateOf(message));
        break;
      default:
        break;
    }
  }

  #refused(message: WireMessage, connection: OwnedFd): void {
    const waiting = this.#waiting.get(textOf(message, 'id') ?? '');
    if (waiting === undefined) connection[Symbol.dispose]();
    else waiting.client.giveBack(connection);
    this.#answer(message, { kind: 'refused', failure: failureIn(message, 'protocol') });
  }

  #answer(message: WireMessage, answer: SessionAnswer): void {
    const id = textOf(message, 'id') ?? '';
    this.#waiting.get(id)?.answered(answer);
    this.#waiting.delete(id);
  }

  #end(): void {
    this.#gone = true;
    this.#know([]);
    for (const { answered } of this.#waiting.values()) answered({ kind: 'gone' });
    this.#waiting.clear();
    for (const state of this.#states) state(undefined);
    this.#states = [];
    this.#pause?.(isGone);
    this.#networks.end();
    this.#events.gone();
  }

  /** It goes on without us. */
  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
    this.#know([]);
  }
}
