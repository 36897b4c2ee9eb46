// Carries ssh packets over one TCP connection: version, key exchange, encryption and rekeying are ssh2's protocol class; whatever
// comes behind the first key exchange is handed on byte for byte, because ssh2's own parsing takes commands and names for
// UTF-8 and knows no certificates. Nothing here holds more than a bounded number of bytes for a peer that doesn't read.

import type { Socket } from 'node:net';
import type { HostKey } from 'ssh2/lib/protocol/kex.js';
import kex from 'ssh2/lib/protocol/kex.js';
import Protocol, { type Progress, type TakePayload } from 'ssh2/lib/protocol/Protocol.js';
import utils from 'ssh2/lib/protocol/utils.js';
import { disconnect, message } from '../ssh/numbers.ts';
import { ProtocolError, Reader } from '../ssh/reader.ts';
import { Writer } from '../ssh/writer.ts';
import { offerOf, userSignatures } from './algorithms.ts';
import { becomeHybrid, withStandIn } from './hybrid-kex.ts';

export interface TransportHandlers {
  /** A packet behind the first key exchange. May throw ProtocolError. */
  readonly packet: (type: number, payload: Buffer) => void;
  /** What has been held back can be sent. */
  readonly writable: () => void;
  /** Once. `why` is for the log. */
  readonly ended: (why: string) => void;
}

/**
 * OpenSSH's client sends what it needs of OpenSSH's extensions (to stop a program whose output nobody wants any more, say) only to
 * servers of that name. Without a version, no client takes us for one with faults of its own.
 */
const ident = 'OpenSSH_compatible dockersh';
/** Bytes for the peer that may wait here; above it nothing is read that would make more. */
const mostUnsent = 512 * 1024;
/** Packets that may wait for the end of a key exchange: answers to what was under way when it began. */
const mostQueued = 4096;
/** RFC 4253, section 9; also long before a counter of packets (32 bits) comes round. */
const rekeyBytes = 1024 ** 3;
/** Of somebody who is not authenticated yet: the monitor signs each. */
const mostEarlyExchanges = 2;

export class Transport {
  readonly #socket: Socket;
  readonly #handlers: TransportHandlers;
  readonly #protocol: Protocol;
  readonly #offeredKex: readonly string[];
  readonly #holders = new Set<unknown>();
  #exchanges = 0;
  #wantsExtInfo = false;
  #authenticated = false;
  #bytesSinceKey = 0;
  #ended = false;
  #wasReady = true;
  #corked = false;
  clientVersion = '';

  constructor(socket: Socket, hostKeys: Readonly<Record<string, HostKey>>, handlers: TransportHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    const offer = offerOf(Object.keys(hostKeys));
    this.#offeredKex = offer.kex;
    this.#protocol = new Protocol({
      server: true,
      ident,
      hostKeys,
      offer: new kex.KexInit(offer),
      onWrite: (bytes) => this.#write(bytes),
      onError: (error) => this.#end(error.message),
      onHeader: ({ versions }) => this.#greeted(versions.software),
      onHandshakeComplete: () => this.#exchanged(),
      messageHandlers: {},
    });
    const own = this.#protocol._onPayload;
    this.#protocol._onPayload = (payload) => this.#received(payload, own);
  }

  start(): void {
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, 60_000);
    this.#socket.on('data', (bytes: Buffer) => this.#parse(bytes));
    this.#socket.on('drain', () => this.#look());
    this.#socket.on('end', () => this.#end('the client has closed the connection'));
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('the connection is closed'));
    this.#protocol.start?.();
  }

  /** Hash of the first key exchange. */
  get sessionId(): Buffer {
    const id = this.#protocol._kex?.sessionID;
    if (id === undefined) throw new Error('no key has been exchanged');
    return id;
  }

  /** Of the signature that has proved in the key exchange who we are. */
  get hostKeyAlgorithm(): string {
    return this.#protocol._kex?.negotiated.serverHostKey ?? '';
  }

  /** Whether bulk data may be sent now. Answers are always taken. */
  get ready(): boolean {
    return (
      !this.#ended && this.#protocol._kexinit === undefined && this.#socket.writableLength < mostUnsent / 2
    );
  }

  /** From now on key exchanges are not counted. */
  authenticated(): void {
    this.#authenticated = true;
  }

  send(payload: Buffer): void {
    if (this.#ended) return;
    const { write } = this.#protocol._packetRW;
    const at = write.allocStart;
    const packet = write.alloc(payload.length);
    packet.set(payload, at);
    utils.sendPacket(this.#protocol, write.finalize(packet));
    this.#sent(payload.length);
  }

  /** Data for a channel, at most as much as fits one packet; `extended`: its kind, where it is not plain data. */
  sendData(channel: number, bytes: Buffer, extended: number | undefined): void {
    if (this.#ended) return;
    if (extended === undefined) this.#protocol.channelData(channel, bytes);
    else this.#protocol.channelExtData(channel, bytes, extended);
    this.#sent(bytes.length);
  }

  /** Reads nothing of the client's until `holder` lets go. */
  hold(holder: unknown): void {
    this.#holders.add(holder);
    this.#socket.pause();
  }

  letGo(holder: unknown): void {
    if (this.#holders.delete(holder) && this.#holders.size === 0) this.#socket.resume();
  }

  /** Tells the client why, and closes the connection. */
  disconnect(reason: number, text: string): void {
    if (this.#ended) return;
    try {
      if (this.#protocol._kexinit === undefined && this.#exchanges > 0)
        this.send(new Writer(message.disconnect).u32(reason).string(text).string('').finish());
      // Whoever has not begun to speak ssh understands no packet. These are sshd's words.
      else if (this.clientVersion === '') this.#socket.write('Invalid SSH identification string.\r\n');
      else this.#protocol.disconnect(reason);
    } catch {
      // Nothing to tell it by: it has not said who it is yet.
    }
    this.#end(text);
  }

  /** An answer to a packet that this side has no use for (RFC 4253, section 11.4). */
  unimplemented(): void {
    const number = ((this.#protocol._decipher?.inSeqno ?? 1) - 1) >>> 0;
    this.send(new Writer(message.unimplemented).u32(number).finish());
  }

  #parse(bytes: Buffer): void {
    if (this.#ended) return;
    this.#bytesSinceKey += bytes.length;
    try {
      this.#protocol.parse(bytes, 0, bytes.length);
      this.#rekeyIfDue();
    } catch (error) {
      const reason = error instanceof ProtocolError ? error.reason : disconnect.protocolError;
      this.disconnect(reason, error instanceof Error ? error.message : 'protocol error');
    }
    this.#look();
  }

  /** The client has said its version, and ssh2 is about to read its first packet. */
  #greeted(software: string): void {
    this.clientVersion = software.slice(0, 100);
    const decipher = this.#protocol._decipher;
    if (decipher === undefined) return;
    const own = decipher._onPayload;
    decipher._onPayload = (payload) =>
      payload[0] === message.kexInit ? this.#exchange(payload, own) : own(payload);
  }

  #exchange(payload: Buffer, own: TakePayload): Progress {
    if (!this.#authenticated && this.#exchanges >= mostEarlyExchanges)
      throw new ProtocolError('too many key exchanges');
    const kept = Buffer.from(payload);
    const stood = withStandIn(kept, this.#offeredKex);
    const before = this.#protocol._kex;
    const progress = own(stood ?? payload);
    const exchange = this.#protocol._kex;
    if (exchange === undefined || exchange === before) return progress;
    if (stood !== undefined) becomeHybrid(exchange, kept);
    this.#wantsExtInfo = exchange.remoteExtInfoEnabled;
    // What ssh2 would send by itself lacks a comma and names DSA.
    exchange.remoteExtInfoEnabled = false;
    return progress;
  }

  /** `own`: what ssh2 does with a packet. */
  #received(payload: Buffer, own: TakePayload): Progress {
    const type = payload[0];
    switch (type) {
      case undefined:
      case message.ignore:
      case message.debug:
      case message.unimplemented:
        return undefined;
      case message.disconnect:
        this.#end('the client has ended the connection');
        return Number.POSITIVE_INFINITY;
      case message.kexInit:
        return this.#exchange(payload, own);
      case message.ping:
        this.send(new Writer(message.pong).string(new Reader(payload, 1).string()).finish());
        return undefined;
      default:
        if (type < 50 && type !== message.serviceRequest)
          throw new ProtocolError(`message ${type} at this point`);
        this.#handlers.packet(type, payload);
        return this.#ended ? Number.POSITIVE_INFINITY : undefined;
    }
  }

  /** Keys have been exchanged, for the first time or again. */
  #exchanged(): void {
    this.#exchanges += 1;
    this.#bytesSinceKey = 0;
    if (this.#exchanges === 1 && this.#wantsExtInfo) {
      const extensions = [
        ['server-sig-algs', userSignatures.join(',')],
        ['publickey-hostbound@openssh.com', '0'],
        ['ping@openssh.com', '0'],
      ] as const;
      const packet = new Writer(message.extInfo).u32(extensions.length);
      for (const [name, value] of extensions) packet.string(name).string(value);
      this.send(packet.finish());
    }
    queueMicrotask(() => this.#look());
  }

  #sent(bytes: number): void {
    this.#bytesSinceKey += bytes;
    if ((this.#protocol._queue?.length ?? 0) > mostQueued)
      this.#end('too much was asked during a key exchange');
    this.#rekeyIfDue();
    this.#holdBack();
  }

  #rekeyIfDue(): void {
    if (this.#bytesSinceKey < rekeyBytes || this.#ended) return;
    this.#bytesSinceKey = 0;
    this.#protocol.rekey();
  }

  /** The packets of one turn leave together. */
  #write(bytes: Buffer): void {
    if (this.#ended || !this.#socket.writable) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  /** Whoever does not read what he asked for is not read from. */
  #holdBack(): void {
    const unsent = this.#socket.writableLength;
    if (unsent > mostUnsent) this.hold(this);
    else if (unsent < mostUnsent / 2) this.letGo(this);
    if (!this.ready) this.#wasReady = false;
  }

  /** Tells when there is room again; never while something is being sent. */
  #look(): void {
    if (this.#ended) return;
    this.#holdBack();
    const ready = this.ready;
    if (ready && !this.#wasReady) {
      this.#wasReady = true;
      this.#handlers.writable();
    }
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
    this.#protocol.cleanup();
    this.#handlers.ended(why);
  }
}
