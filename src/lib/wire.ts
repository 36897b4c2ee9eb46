// The binary messages between login client, daemon and supervisor: a header and a list of fields
// (docs/protocol.md). native/common/wire.h is the other side; test/unit/lib/wire.test.ts compares the two.
// Pure.

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

export const messageTypes = {
  login: 1,
  started: 2,
  exit: 3,
  error: 4,
  outside: 5,
  signal: 6,
  wait: 7,
  notice: 8,
  join: 9,
  joined: 10,
  report: 14,
  prepare: 16,
  sandbox: 17,
  session: 18,
  stop: 19,
  hello: 20,
  pause: 21,
  renew: 22,
  network: 23,
  countTraffic: 24,
  say: 25,
  connection: 26,
  ready: 32,
  failed: 33,
  accepted: 34,
  refused: 35,
  sessionEnded: 36,
  state: 37,
  stopping: 38,
  paused: 39,
  left: 40,
  networkSet: 41,
  networkRefused: 42,
  traffic: 43,
  connectionEnded: 44,
  portsMissing: 45,
  fork: 48,
  discard: 49,
  letGo: 50,
} as const;
export type MessageType = keyof typeof messageTypes;

export const tags = {
  arg: 1,
  env: 2,
  umask: 3,
  time: 4,
  execPath: 5,
  user: 6,
  text: 10,
  code: 11,
  kind: 12,
  tty: 13,
  signal: 14,
  id: 20,
  shell: 21,
  cwd: 22,
  uid: 23,
  gid: 24,
  groups: 25,
  rlimit: 26,
  slot: 27,
  pid: 28,
  steps: 29,
  name: 30,
  uidMap: 31,
  gidMap: 32,
  layer: 33,
  plainLayer: 34,
  upper: 35,
  bind: 37,
  hostname: 38,
  network: 39,
  tmpBytes: 40,
  lingerMs: 41,
  hangupGraceMs: 42,
  stopGraceMs: 43,
  backgroundKill: 44,
  control: 45,
  cgroup: 46,
  cgroupWrite: 47,
  cgroupKind: 48,
  session: 49,
  state: 50,
  rootIds: 51,
  mountpoint: 52,
  pauseMs: 53,
  nice: 54,
  mostSessions: 55,
  sessionMs: 56,
  idleMs: 57,
  banner: 58,
  shmBytes: 59,
  mount: 60,
  disk: 61,
  device: 64,
  root: 65,
  nesting: 66,
  delegated: 67,
  filter: 70,
  filtersAlone: 71,
  failure: 72,
  cgroupLift: 73,
  cause: 74,
  runFolder: 75,
  netLink: 80,
  netAddress: 81,
  netResolver: 82,
  netPool: 83,
  netHost: 84,
  netMtu: 85,
  netRate: 86,
  netConnections: 87,
  netNewConnections: 88,
  netRule: 89,
  netDns: 90,
  netRelay: 91,
  netPublish: 92,
  netPeer: 93,
  netRefused: 94,
  netTraffic: 95,
  netPin: 96,
  netResolvConf: 97,
  netStrict: 98,
  netMissing: 99,
  from: 101,
  auth: 102,
  account: 103,
  accountGroup: 104,
  homeInside: 105,
  clientFolder: 106,
  run: 107,
  connectionOpen: 108,
  used: 109,
} as const;
export type Tag = keyof typeof tags;

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
