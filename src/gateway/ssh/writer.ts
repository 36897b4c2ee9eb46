// Builds an ssh packet's payload (RFC 4251, section 5).

export class Writer {
  readonly #parts: Buffer[] = [];

  constructor(type: number) {
    this.byte(type);
  }

  byte(value: number): this {
    this.#parts.push(Buffer.of(value));
    return this;
  }

  boolean(value: boolean): this {
    return this.byte(value ? 1 : 0);
  }

  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(value >>> 0);
    this.#parts.push(bytes);
    return this;
  }

  /** A text of ours is written as UTF-8. */
  string(value: Buffer | string): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    this.u32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** A string in front of other bytes, as signatures and hashes want it. */
export function withLength(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
