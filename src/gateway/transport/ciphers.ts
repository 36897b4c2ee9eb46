// Stands in the place of ssh2's own addon, which needs a C++ compiler and Node's headers: the ciphers that bulk data goes through, a
// packet at a time where it lies, by the OpenSSL of the runtime (native/addon/ssh/cipher.c). Without it ssh2 makes an object of Node's for each
// packet, and authenticates by WebAssembly. script/build.ts puts it there; ssh2 takes other ciphers from Node, as before.

import { addon } from '../../isolation/addon.ts';

const forged = (): Error => new Error('Invalid MAC');

export class AESGCMCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(_name: string, key: Buffer, iv: Buffer) {
    this.#key = key;
    // It counts packets from here on.
    this.#iv = Buffer.from(iv);
  }

  /** Length, body, and 16 bytes for the tag. */
  encrypt(packet: Buffer): void {
    addon().sealGcm(this.#key, this.#iv, packet);
  }

  free(): void {}
}

export class AESGCMDecipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(_name: string, key: Buffer, iv: Buffer) {
    this.#key = key;
    this.#iv = Buffer.from(iv);
  }

  decrypt(body: Uint8Array, length: number, tag: Buffer): void {
    if (!addon().openGcm(this.#key, this.#iv, length, body, tag)) throw forged();
  }

  free(): void {}
}

export class ChaChaPolyCipher {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Length, body, and 16 bytes for the tag; `number`: of the packet. */
  encrypt(packet: Buffer, number: number): void {
    addon().sealChaCha(this.#key, number, packet);
  }

  free(): void {}
}

export class ChaChaPolyDecipher {
  readonly #key: Buffer;
  #length: Buffer = Buffer.alloc(4);

  constructor(key: Buffer) {
    this.#key = key;
  }

  decryptLen(length: Buffer, number: number): number {
    this.#length = Buffer.from(length);
    return addon().lengthChaCha(this.#key, number, length);
  }

  /** Of the packet whose length was decrypted last. */
  decrypt(body: Uint8Array, tag: Buffer, number: number): void {
    if (!addon().openChaCha(this.#key, number, this.#length, body, tag)) throw forged();
  }

  free(): void {}
}
