// Types for the parts of ssh2 below its server and client, which its own types leave out: what src/gateway/transport uses of
// them, no more.

declare module 'ssh2/lib/protocol/Protocol.js' {
  import type { Decipher, HostKey, KeyExchange, Offer, PacketWriting } from 'ssh2/lib/protocol/kex.js';

  interface Configuration {
    readonly server: true;
    readonly ident: string;
    readonly hostKeys: Readonly<Record<string, HostKey>>;
    readonly offer: Offer;
    readonly onWrite: (bytes: Buffer) => void;
    readonly onError: (error: Error) => void;
    readonly onHeader: (header: { readonly versions: { readonly software: string } }) => void;
    readonly onHandshakeComplete: () => void;
    readonly messageHandlers: Readonly<Record<string, never>>;
  }

  /** Where in the bytes that have come ssh2 goes on: at the next packet, at once with other keys (false), or nowhere. */
  export type Progress = number | false | undefined;
  export type TakePayload = (payload: Buffer) => Progress;

  export default class Protocol {
    constructor(configuration: Configuration);
    start: (() => void) | undefined;
    parse(bytes: Buffer, at: number, length: number): void;
    disconnect(reason: number): void;
    rekey(): void;
    cleanup(): void;
    channelData(channel: number, bytes: Buffer): void;
    channelExtData(channel: number, bytes: Buffer, type: number): void;
    /** Takes the payload of a packet outside of a key exchange. */
    _onPayload: TakePayload;
    /** Of the key exchange that goes on; undefined: none does. */
    _kexinit: Buffer | undefined;
    _kex: KeyExchange | undefined;
    _decipher: Decipher | undefined;
    /** Packets that wait for the end of a key exchange. */
    _queue: Buffer[] | undefined;
    _packetRW: { readonly write: PacketWriting; readonly read: { read(payload: Buffer): Buffer } };
  }
}

declare module 'ssh2/lib/protocol/kex.js' {
  import type { TakePayload } from 'ssh2/lib/protocol/Protocol.js';

  export interface Offer {
    readonly kex: readonly string[];
    readonly serverHostKey: readonly string[];
    readonly cs: Directed;
    readonly sc: Directed;
  }

  interface Directed {
    readonly cipher: readonly string[];
    readonly mac: readonly string[];
    readonly compress: readonly string[];
    readonly lang: readonly string[];
  }

  export interface HostKey {
    readonly type: string;
    getPublicSSH(): Buffer;
    sign(hash: Buffer): Buffer | Error;
  }

  export interface KeyExchange {
    readonly negotiated: {
      readonly kex: string;
      readonly serverHostKey: string;
      readonly cs: { readonly cipher: string };
    };
    sessionID: Buffer | undefined;
    remoteExtInfoEnabled: boolean;
    hashName: string;
    _remoteKexinit: Buffer | undefined;
    generateKeys(): void;
    getPublicKey(): Buffer;
    convertPublicKey(key: Buffer): Buffer;
    computeSecret(key: Buffer): Buffer | Error;
  }

  export interface Decipher {
    inSeqno: number;
    _onPayload: TakePayload;
  }

  export interface PacketWriting {
    readonly allocStart: number;
    alloc(length: number): Buffer;
    finalize(packet: Buffer): Buffer;
  }

  const kex: { readonly KexInit: new (offer: Offer) => Offer };
  export default kex;
}

declare module 'ssh2/lib/protocol/utils.js' {
  import type Protocol from 'ssh2/lib/protocol/Protocol.js';

  const utils: { readonly sendPacket: (protocol: Protocol, packet: Buffer) => boolean };
  export default utils;
}
