// Types of ssh2's ciphers: what ciphers.test.ts compares ours with.

declare module 'ssh2/lib/protocol/crypto.js' {
  interface Outbound {
    readonly cipherInfo: unknown;
    readonly cipherKey: Buffer;
    readonly seqno: number;
    readonly onWrite: (bytes: Buffer) => void;
  }

  const crypto: {
    readonly init: Promise<void>;
    readonly CIPHER_INFO: Readonly<Record<string, unknown>>;
    createCipher(config: { readonly outbound: Outbound }): { encrypt(packet: Buffer): void };
  };
  export default crypto;
}
