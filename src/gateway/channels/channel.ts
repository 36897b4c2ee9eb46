// Carries one channel's data in both directions (RFC 4254, section 5), with what both sides' windows allow: a source is read
// only while its last piece is gone, and the client's window grows only by what its sink has taken. So a channel holds
// at most a piece of each source, and one window of the client's.

import { message } from '../ssh/numbers.ts';
import { ProtocolError } from '../ssh/reader.ts';
import { Writer } from '../ssh/writer.ts';
import type { Sink, Source } from '../streams/stream.ts';
import type { Transport } from '../transport/transport.ts';

/** The client's end, as it has said. */
export interface FarEnd {
  readonly id: number;
  readonly window: number;
  readonly packetBytes: number;
}

/** In one packet, in either direction; ssh2 takes packets of 35,000 bytes. */
export const packetBytes = 32 * 1024;
const largestWindow = 2 ** 32 - 1;

interface Outgoing {
  readonly source: Source;
  readonly kind: number | undefined;
  unsent: Buffer | undefined;
  paused: boolean;
  ended: boolean;
}

export class Channel {
  readonly id: number;
  readonly window: number;
  readonly #transport: Transport;
  readonly #farId: number;
  readonly #farPacket: number;
  readonly #forget: () => void;
  readonly #outgoing: Outgoing[] = [];
  readonly #waiting: Buffer[] = [];
  #farWindow: number;
  #left: number;
  #taken = 0;
  #sink: Sink | undefined;
  #joined = false;
  #farEof = false;
  #farClosed = false;
  #eof = false;
  #closeSent = false;
  #gone = false;
  /** Says whether the channel is to be closed once its sources have ended. */
  #mayClose: () => boolean = () => true;
  /** Acts behind the answers to all requests that have come. */
  later: (act: () => void) => void = (act) => act();
  /** Whether a request waits for its answer: data that has come behind it is not to overtake it. */
  held: () => boolean = () => false;
  /** A request of the client's on this channel; resolves with whether it is granted. */
  request: (name: string, payload: Buffer, at: number) => Promise<boolean> = async () => false;

  /** `forget`: the number is free again. `window`: how much may be under way to here. */
  constructor(
    transport: Transport,
    { id, far, window, forget }: { id: number; far: FarEnd; window: number; forget: () => void },
  ) {
    this.#transport = transport;
    this.id = id;
    this.window = window;
    this.#left = window;
    this.#forget = forget;
    this.#farId = far.id;
    this.#farWindow = far.window;
    this.#farPacket = Math.min(Math.max(far.packetBytes, 1), packetBytes);
  }

  /** Whether it is of no use any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /**
   * Joins it to where its data goes and comes from. It closes when all sources have ended, and `mayClose` says so; closeIfDone()
   * asks again.
   */
  join(
    sink: Sink,
    sources: readonly { source: Source; kind?: number }[],
    mayClose = () => this.#farEof,
  ): void {
    this.#joined = true;
    this.#mayClose = mayClose;
    if (this.#gone) {
      sink.close();
      for (const { source } of sources) source.close();
      return;
    }
    this.#sink = sink;
    if (this.#farEof && this.#waiting.length === 0) sink.end();
    if (!this.held()) this.release();
    for (const { source, kind } of sources)
      this.#outgoing.push({ source, kind, unsent: undefined, paused: false, ended: false });
    for (const outgoing of this.#outgoing) this.#read(outgoing);
    if (this.#farClosed) this.#leave();
  }

  #read(outgoing: Outgoing): void {
    outgoing.source.read(
      (bytes) => {
        outgoing.unsent = outgoing.unsent === undefined ? bytes : Buffer.concat([outgoing.unsent, bytes]);
        this.#flow(outgoing);
      },
      () => {
        outgoing.ended = true;
        this.closeIfDone();
      },
    );
  }

  /** What has come before there was somebody to take it, or behind a request that is answered now, goes on. */
  release(): void {
    if (!this.#joined || this.#waiting.length === 0) return;
    for (const bytes of this.#waiting.splice(0)) this.#deliver(bytes);
    if (this.#farEof) this.#sink?.end();
  }

  /** Sends what can be sent of it, and reads on where all has been. */
  #flow(outgoing: Outgoing): void {
    while (
      outgoing.unsent !== undefined &&
      this.#farWindow > 0 &&
      this.#transport.ready &&
      !this.#closeSent
    ) {
      const { unsent } = outgoing;
      const length = Math.min(unsent.length, this.#farWindow, this.#farPacket);
      // First: what is sent may fill the way, and empty it.
      this.#farWindow -= length;
      outgoing.unsent = length < unsent.length ? unsent.subarray(length) : undefined;
      this.#transport.sendData(this.#farId, unsent.subarray(0, length), outgoing.kind);
    }
    const pause = outgoing.unsent !== undefined || this.#farWindow === 0 || !this.#transport.ready;
    if (pause !== outgoing.paused) {
      outgoing.paused = pause;
      if (pause) outgoing.source.pause();
      else outgoing.source.resume();
    }
  }

  /** There may be room again, at the client's or on the way there. */
  writable(): void {
    for (const outgoing of this.#outgoing) this.#flow(outgoing);
    this.closeIfDone();
  }

  closeIfDone(): void {
    if (!this.#joined || this.#closeSent) return;
    if (this.#outgoing.some(({ ended, unsent }) => !ended || unsent !== undefined)) return;
    if (!this.#eof && !this.#farClosed) {
      this.#eof = true;
      this.#send(new Writer(message.channelEof).u32(this.#farId));
    }
    if (!this.#mayClose()) return;
    this.close();
    if (this.#farClosed) this.end();
  }

  #send(packet: Writer): void {
    if (!this.#closeSent) this.#transport.send(packet.finish());
  }

  /** A request of ours, which wants no answer; `rest` has what follows its name. */
  sendRequest(name: string, rest: (packet: Writer) => Writer): void {
    this.#send(rest(new Writer(message.channelRequest).u32(this.#farId).string(name).boolean(false)));
  }

  reply(granted: boolean): void {
    this.#send(new Writer(granted ? message.channelSuccess : message.channelFailure).u32(this.#farId));
  }

  /** A text of ours among the channel's data; what does not fit the client's window is left out. */
  say(text: string, kind: number): void {
    const bytes = Buffer.from(text, 'utf8').subarray(0, Math.min(this.#farWindow, this.#farPacket));
    if (bytes.length === 0 || this.#closeSent) return;
    this.#farWindow -= bytes.length;
    this.#transport.sendData(this.#farId, bytes, kind);
  }

  /** The client wants no more of our data: whoever writes it is to notice. */
  closeSources(): void {
    for (const outgoing of this.#outgoing) {
      outgoing.source.close();
      outgoing.unsent = undefined;
      outgoing.ended = true;
    }
    this.closeIfDone();
  }

  close(): void {
    this.#send(new Writer(message.channelClose).u32(this.#farId));
    this.#closeSent = true;
  }

  /** Data of the client's; what is not `wanted` only counts. */
  data(bytes: Buffer, wanted = true): void {
    if (bytes.length > this.#left) throw new ProtocolError('more data than the window has room for');
    this.#left -= bytes.length;
    if (!wanted || this.#farEof) this.#grow(bytes.length);
    else if (this.#gone || (this.#joined && !this.held())) this.#deliver(bytes);
    else this.#waiting.push(bytes);
  }

  #deliver(bytes: Buffer): void {
    const taken = (): void => this.#grow(bytes.length);
    if (this.#sink === undefined) taken();
    else this.#sink.write(bytes, taken);
  }

  /** So many bytes have left this process: the client may send as many more. */
  #grow(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < this.window / 4 || this.#gone) return;
    this.#left += this.#taken;
    this.#send(new Writer(message.channelWindowAdjust).u32(this.#farId).u32(this.#taken));
    this.#taken = 0;
  }

  adjust(bytes: number): void {
    if (this.#farWindow + bytes > largestWindow) throw new ProtocolError('a window is too large');
    this.#farWindow += bytes;
    for (const outgoing of this.#outgoing) this.#flow(outgoing);
    this.closeIfDone();
  }

  eof(): void {
    this.#farEof = true;
    if (this.#waiting.length === 0) this.#sink?.end();
    this.closeIfDone();
  }

  /**
   * The client has closed it, which hangs up whoever is at the other end. A session is told of its end all the same: OpenSSH's
   * client closes as soon as it has all data, and takes the exit status that comes before our answer.
   */
  closed(): void {
    this.#farClosed = true;
    this.#farEof = true;
    if (this.#joined && !this.#closeSent) this.#leave();
    else if (this.#waiting.length === 0 || this.#closeSent) {
      this.close();
      this.end();
    }
    // Else what has come waits for join().
  }

  /** What the client has sent before it closed still gets to the other end. */
  #leave(): void {
    if (this.#waiting.length > 0) this.release();
    else this.#sink?.end();
    this.closeSources();
  }

  /** Lets everything go. */
  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#closeSent = true;
    this.#waiting.length = 0;
    this.#sink?.close();
    for (const { source } of this.#outgoing) source.close();
    this.#forget();
  }
}
