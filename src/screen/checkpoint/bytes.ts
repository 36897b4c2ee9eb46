// Writes and reads the numbers and strings of a checkpoint. The reader trusts nothing: it throws MalformedCheckpoint
// where there is less than a length says.

export class MalformedCheckpoint extends Error {
  override readonly name = 'MalformedCheckpoint';
}

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(65_536);
  #length = 0;

  u8(value: number): void {
    this.#room(1);
    this.#length = this.#bytes.writeUInt8(value, this.#length);
  }

  u16(value: number): void {
    this.#room(2);
    this.#length = this.#bytes.writeUInt16LE(value, this.#length);
  }

  u32(value: number): void {
    this.#room(4);
    this.#length = this.#bytes.writeUInt32LE(value >>> 0, this.#length);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.raw(1).readUInt8(0);
  }

  u16(): number {
    return this.raw(2).readUInt16LE(0);
  }

  u32(): number {
    return this.raw(4).readUInt32LE(0);
  }

  raw(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new MalformedCheckpoint('it ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new MalformedCheckpoint('it goes on behind its end');
  }
}
