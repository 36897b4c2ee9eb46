// Keeps a connection's channels (RFC 4254): opens them for either side, and passes each packet to its channel.

import { message, openFailure, stderrData } from '../ssh/numbers.ts';
import { ProtocolError, Reader } from '../ssh/reader.ts';
import { Writer } from '../ssh/writer.ts';
import type { Transport } from '../transport/transport.ts';
import { Channel, type FarEnd, packetBytes } from './channel.ts';
import { SerialRequests } from './serial-requests.ts';

/** Why a channel is not opened. */
export interface Refusal {
  readonly reason: number;
  readonly text: string;
}

/**
 * Of a type of channels that clients open: what makes one ready, or says why there is none. `open()` gives the channel, and
 * may be called once; what the client sends from then on waits for join().
 */
export type Opener = (rest: Reader, open: () => Channel) => Promise<Refusal | undefined>;

const mostChannels = 1024;
/** As sshd's: what a fast line over the sea has under way. */
const wideWindow = 2 * 1024 * 1024;
const narrowWindow = 128 * 1024;
/** Of all channels' windows together; above that they are narrow. */
const mostWide = 48 * 1024 * 1024;
/** Channels of ours that the client has not answered yet. */
const mostAsked = 128;

export class Channels {
  readonly #transport: Transport;
  readonly #openers: ReadonlyMap<string, Opener>;
  readonly #channels = new Map<number, Channel>();
  readonly #requests = new Map<number, SerialRequests>();
  readonly #asked = new Map<number, { window: number; answer: (channel: Channel | undefined) => void }>();
  readonly #reserved = new Set<number>();
  #windows = 0;
  #nextId = 0;

  constructor(transport: Transport, openers: ReadonlyMap<string, Opener>) {
    this.#transport = transport;
    this.#openers = openers;
  }

  packet(type: number, payload: Buffer): void {
    const reader = new Reader(payload, 1);
    if (type === message.channelOpen) {
      void this.#open(reader);
      return;
    }
    const id = reader.u32();
    if (type === message.channelOpenConfirmation || type === message.channelOpenFailure) {
      this.#answered(id, type, reader);
      return;
    }
    const channel = this.#channels.get(id);
    if (channel === undefined) throw new ProtocolError('a channel that there is none of');
    this.#pass(channel, type, reader, payload);
  }

  #pass(channel: Channel, type: number, reader: Reader, payload: Buffer): void {
    switch (type) {
      case message.channelData:
        channel.data(reader.string());
        break;
      case message.channelExtendedData:
        // Nothing takes any, but its bytes count.
        if (reader.u32() !== stderrData) throw new ProtocolError('data of an unknown kind');
        channel.data(reader.string(), false);
        break;
      case message.channelWindowAdjust:
        channel.adjust(reader.u32());
        break;
      case message.channelEof:
        channel.eof();
        break;
      case message.channelClose:
        channel.closed();
        break;
      case message.channelRequest:
        this.#request(channel, reader, payload);
        break;
      case message.channelSuccess:
      case message.channelFailure:
        break;
      default:
        this.#transport.unimplemented();
    }
  }

  #request(channel: Channel, reader: Reader, payload: Buffer): void {
    const name = reader.name();
    const wantsReply = reader.boolean();
    const { at } = reader;
    const kept = Buffer.from(payload);
    this.#requests.get(channel.id)?.add(async () => {
      const granted = await channel.request(name, kept, at).catch((error: unknown) => {
        if (!(error instanceof ProtocolError)) throw error;
        this.#transport.disconnect(error.reason, error.message);
        return false;
      });
      if (wantsReply) channel.reply(granted);
    });
  }

  /** How much a client may have under way to one more channel. */
  #grant(): number {
    const window = this.#windows + wideWindow > mostWide ? narrowWindow : wideWindow;
    this.#windows += window;
    return window;
  }

  #add(far: FarEnd, id: number, window: number): Channel {
    const forget = (): void => {
      this.#windows -= window;
      this.#channels.delete(id);
      this.#requests.delete(id);
    };
    const channel = new Channel(this.#transport, { id, far, window, forget });
    this.#channels.set(id, channel);
    const requests = new SerialRequests(this.#transport, () => channel.release());
    this.#requests.set(id, requests);
    channel.held = () => requests.busy;
    channel.later = (act) => requests.add(async () => act());
    return channel;
  }

  #reserve(): number | undefined {
    if (this.#channels.size + this.#reserved.size + this.#asked.size >= mostChannels) return undefined;
    const taken = (id: number): boolean =>
      this.#channels.has(id) || this.#reserved.has(id) || this.#asked.has(id);
    while (taken(this.#nextId)) this.#nextId = (this.#nextId + 1) % (2 * mostChannels);
    const id = this.#nextId;
    this.#nextId = (id + 1) % (2 * mostChannels);
    return id;
  }

  async #open(reader: Reader): Promise<void> {
    const type = reader.name();
    const far: FarEnd = { id: reader.u32(), window: reader.u32(), packetBytes: reader.u32() };
    const refuse = ({ reason, text }: Refusal): void => {
      this.#transport.send(
        new Writer(message.channelOpenFailure).u32(far.id).u32(reason).string(text).string('').finish(),
      );
    };
    const opener = this.#openers.get(type);
    if (opener === undefined)
      return refuse({ reason: openFailure.unknownChannelType, text: 'unknown channel type' });
    const id = this.#reserve();
    if (id === undefined) return refuse({ reason: openFailure.resourceShortage, text: 'too many channels' });
    this.#reserved.add(id);
    try {
      const answered: Promise<Refusal | undefined> = opener(reader, () => {
        const channel = this.#add(far, id, this.#grant());
        this.#transport.send(
          new Writer(message.channelOpenConfirmation)
            .u32(far.id)
            .u32(id)
            .u32(channel.window)
            .u32(packetBytes)
            .finish(),
        );
        return channel;
      });
      const refusal = await answered;
      if (refusal !== undefined) refuse(refusal);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#transport.disconnect(error.reason, error.message);
    } finally {
      this.#reserved.delete(id);
    }
  }

  /** A channel that this side opens; `rest` has what follows its window. Undefined: the client wants none. */
  async openOwn(type: string, rest: (packet: Writer) => Writer): Promise<Channel | undefined> {
    const id = this.#asked.size < mostAsked ? this.#reserve() : undefined;
    if (id === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<Channel | undefined>();
    const window = this.#grant();
    this.#asked.set(id, { window, answer: resolve });
    const packet = new Writer(message.channelOpen).string(type).u32(id).u32(window).u32(packetBytes);
    this.#transport.send(rest(packet).finish());
    return promise;
  }

  #answered(id: number, type: number, reader: Reader): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) throw new ProtocolError('an answer to no question');
    this.#asked.delete(id);
    if (type === message.channelOpenFailure) {
      this.#windows -= asked.window;
      asked.answer(undefined);
      return;
    }
    // At once: the next packet may have data for it.
    const far = { id: reader.u32(), window: reader.u32(), packetBytes: reader.u32() };
    asked.answer(this.#add(far, id, asked.window));
  }

  /** There is room for data again. */
  writable(): void {
    for (const channel of this.#channels.values()) channel.writable();
  }

  /** The connection has ended. */
  end(): void {
    for (const channel of [...this.#channels.values()]) channel.end();
    for (const { answer } of this.#asked.values()) answer(undefined);
  }
}
