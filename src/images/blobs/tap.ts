// Computes the digest of a stream while passing its bytes on unchanged. Where it knows what to expect, it fails by
// itself when digest or size are wrong, so that whoever consumes the stream cannot forget to check.

import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { DockershError } from '../../lib/errors.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { countPassed } from './young-buffers.ts';

export interface Expected {
  readonly digest: Digest;
  readonly size: number;
}

export class DigestTap extends Transform {
  readonly #hash: Hash = createHash('sha256');
  readonly #expected: Expected | undefined;
  #bytes = 0;
  #digest: Digest | undefined;

  constructor(expected?: Expected) {
    super();
    this.#expected = expected;
  }

  /** Bytes seen so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined until the stream has ended well. */
  get digest(): Digest | undefined {
    return this.#digest;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#expected !== undefined && this.#bytes > this.#expected.size) {
      done(this.#broken(`more than the ${this.#expected.size} bytes it should have`));
      return;
    }
    this.#hash.update(chunk);
    countPassed(chunk.length);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const digest = digestFromHex(this.#hash.digest('hex'));
    const expected = this.#expected;
    if (expected !== undefined && this.#bytes !== expected.size) {
      done(this.#broken(`${this.#bytes} bytes instead of ${expected.size}`));
    } else if (expected !== undefined && digest !== expected.digest) {
      done(this.#broken(`digest ${digest}`));
    } else {
      this.#digest = digest;
      done();
    }
  }

  #broken(why: string): DockershError {
    return new DockershError('E_IMAGE_BROKEN', { what: `content of ${this.#expected?.digest}`, why });
  }
}
