// The binary messages between login client, daemon and supervisor: a header and a list of fields
// (docs/protocol.md). native/common/wire.h is the other side; test/unit/lib/wire.test.ts compares the two.
// Pure.

import { type MessageType, messageTypes, type Tag, tags } from './values/wire-numbers.ts';

export { type MessageType, messageTypes, type Tag, tags } from './values/wire-numbers.ts';

/** Byte strings: one character per byte (latin1), because arguments and environment need not be UTF-8. */
export type ByteString = string;

/** Text as the bytes of its UTF-8. */
export const byteStringOf = (text: string): ByteString => Buffer.from(text, 'utf8').toString('latin1');

export const wireMagic = 0x01485344;
export const wireHeaderBytes = 12;
/** Of a field, in front of its value. */
export const wireFieldBytes = 8;
export const wireMaxBytes = 196 * 1024;
export const wireMaxFds = 8;
/** Above the arguments and variables of any login; every field costs time before anything is known of the peer. */
const mostFields = 4096;

const typeNames = new Map<number, MessageType>(
  Object.entries(messageTypes).map(([name, number]) => [number, name as MessageType]),
);
const tagNames = new Map<number, Tag>(Object.entries(tags).map(([name, number]) => [number, name as Tag]));

/** Most messages; longer ones move to twice as much. */
const usualBytes = 1024;

/** Builds one message. Throws RangeError where it would be longer than the limit. */
export class WireWriter {
  readonly #type: MessageType;
  #buffer = Buffer.allocUnsafe(usualBytes);
  #bytes = wireHeaderBytes;

  constructor(type: MessageType) {
    this.#type = type;
  }

  /** Begins a field; where its value of this length goes. */
  #begin(tag: Tag, length: number): number {
    const at = this.#bytes + wireFieldBytes;
    this.#bytes = at + length;
    if (this.#bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(2 * this.#bytes);
      this.#buffer.copy(larger, 0, 0, at - wireFieldBytes);
      this.#buffer = larger;
    }
    this.#buffer.writeUInt32LE(tags[tag], at - wireFieldBytes);
    this.#buffer.writeUInt32LE(length, at - wireFieldBytes + 4);
    return at;
  }

  bytes(tag: Tag, value: Uint8Array): this {
    const at = this.#begin(tag, value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** Of the message, until now. */
  get size(): number {
    return this.#bytes;
  }

  /** A text of ours, as UTF-8. */
  text(tag: Tag, value: string): this {
    const at = this.#begin(tag, Buffer.byteLength(value, 'utf8'));
    this.#buffer.write(value, at, 'utf8');
    return this;
  }

  /** What came from a client, byte for byte. */
  byteString(tag: Tag, value: ByteString): this {
    const at = this.#begin(tag, value.length);
    this.#buffer.write(value, at, 'latin1');
    return this;
  }

  u32(...[tag, ...values]: [tag: Tag, ...values: number[]]): this {
    let at = this.#begin(tag, 4 * values.length);
    for (const number of values) at = this.#buffer.writeUInt32LE(number, at);
    return this;
  }

  u64(...[tag, ...values]: [tag: Tag, ...values: bigint[]]): this {
    let at = this.#begin(tag, 8 * values.length);
    for (const number of values) at = this.#buffer.writeBigUInt64LE(number, at);
    return this;
  }

  /** Of what was begun; the writer is not to be used any more. */
  finish(fdCount = 0): Buffer {
    if (this.#bytes > wireMaxBytes) throw new RangeError(`message of ${this.#bytes} bytes`);
    this.#buffer.writeUInt32LE(wireMagic, 0);
    this.#buffer.writeUInt16LE(messageTypes[this.#type], 4);
    this.#buffer.writeUInt16LE(fdCount, 6);
    this.#buffer.writeUInt32LE(this.#bytes - wireHeaderBytes, 8);
    return this.#buffer.subarray(0, this.#bytes);
  }
}

/** A finished message, to be sent with another number of descriptors. */
export function withFdCount(message: Uint8Array, fdCount: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16LE(fdCount, 6);
  return copy;
}

/** A received message: fields by name, in order. Unknown tags make it invalid. */
export interface WireMessage {
  readonly type: MessageType;
  readonly fields: readonly { readonly tag: Tag; readonly value: Buffer }[];
}

/** The message, or undefined where it is none of ours (wrong magic, version, lengths, type or tag). */
export function parseWire(data: Buffer): WireMessage | undefined {
  if (data.length < wireHeaderBytes || data.length > wireMaxBytes) return undefined;
  const type = typeNames.get(data.readUInt16LE(4));
  if (data.readUInt32LE(0) !== wireMagic || type === undefined) return undefined;
  if (data.readUInt32LE(8) !== data.length - wireHeaderBytes) return undefined;
  const fields: { tag: Tag; value: Buffer }[] = [];
  let at = wireHeaderBytes;
  while (at < data.length) {
    if (data.length - at < 8) return undefined;
    const tag = tagNames.get(data.readUInt32LE(at));
    const length = data.readUInt32LE(at + 4);
    if (tag === undefined || length > data.length - at - 8 || fields.length === mostFields) return undefined;
    fields.push({ tag, value: data.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return { type, fields };
}

/** Every value of one tag, in order. */
export function fieldsOf(message: WireMessage, tag: Tag): Buffer[] {
  return message.fields.filter((field) => field.tag === tag).map((field) => field.value);
}

/** The value of a tag that stands at most once; the last one counts. */
export function fieldOf(message: WireMessage, tag: Tag): Buffer | undefined {
  return message.fields.findLast((field) => field.tag === tag)?.value;
}

export function u32Of(message: WireMessage, tag: Tag): number | undefined {
  const value = fieldOf(message, tag);
  return value?.length === 4 ? value.readUInt32LE(0) : undefined;
}

export function textOf(message: WireMessage, tag: Tag): string | undefined {
  return fieldOf(message, tag)?.toString('utf8');
}

/** A value that is an array of 64-bit numbers (times in nanoseconds). */
export function u64sOf(message: WireMessage, tag: Tag): bigint[] {
  const value = fieldOf(message, tag);
  if (value === undefined || value.length % 8 !== 0) return [];
  return Array.from({ length: value.length / 8 }, (_, index) => value.readBigUInt64LE(index * 8));
}
