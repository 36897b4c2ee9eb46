// Takes frames out of a stream, and makes some: u8 type, u32le length, payload (docs/protocol.md, "Screens").

import { CHECKPOINT, OUTPUT } from './limits.ts';

export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

export interface Frame {
  readonly type: string;
  readonly payload: Buffer;
}

const HEADER = 5;
/** The longest payload of each type; a shorter one is as wrong where the length is fixed. */
const lengths: Readonly<Record<string, readonly [least: number, most: number]>> = {
  k: [0, CHECKPOINT],
  o: [0, OUTPUT],
  r: [4, 4],
  s: [4, 5],
  c: [0, 0],
};

export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** The frames that are whole with these bytes. The payloads are parts of a buffer that nothing else writes to. */
  *take(bytes: Buffer): Generator<Frame> {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    let at = 0;
    while (this.#bytes.length - at >= HEADER) {
      const type = String.fromCharCode(this.#bytes[at] ?? 0);
      const length = this.#bytes.readUInt32LE(at + 1);
      const bounds = lengths[type];
      if (bounds === undefined) throw new MalformedFrame('a frame is of no known type');
      if (length < bounds[0] || length > bounds[1]) throw new MalformedFrame('a frame has a wrong length');
      if (this.#bytes.length - at < HEADER + length) break;
      const payload = this.#bytes.subarray(at + HEADER, at + HEADER + length);
      at += HEADER + length;
      yield { type, payload };
    }
    this.#bytes = this.#bytes.subarray(at);
  }

  /** At the end of the stream. */
  end(): void {
    if (this.#bytes.length > 0) throw new MalformedFrame('the last frame is not whole');
  }
}

export function frame(type: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.write(type, 0, 'latin1');
  header.writeUInt32LE(payload.length, 1);
  return Buffer.concat([header, payload]);
}
