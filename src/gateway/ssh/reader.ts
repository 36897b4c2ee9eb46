// Reads the values of an ssh packet (RFC 4251, section 5), one after another. Whatever is missing or too long is the peer's
// fault, and the end of the connection.

/** The peer has sent what no peer may send; `reason` is the code of a disconnect message (RFC 4253, section 11.1). */
export class ProtocolError extends Error {
  readonly reason: number;

  constructor(message: string, reason = 2) {
    super(message);
    this.name = 'ProtocolError';
    this.reason = reason;
  }
}

export class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** How far it has read. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new ProtocolError('a packet is too short');
    this.#at = at + length;
    return at;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** Not copied. */
  string(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A name of the protocol's, or a number as text: US-ASCII (RFC 4251, section 6), and no longer than its rules allow. */
  name(): string {
    const value = this.string();
    if (value.length > 256 || value.some((byte) => byte < 0x20 || byte > 0x7e))
      throw new ProtocolError('a name is no name');
    return value.toString('latin1');
  }

  /** One character for each byte: what users and programs choose need not be UTF-8. */
  byteString(): string {
    return this.string().toString('latin1');
  }
}
