// Imports the native addon, as the only file that does: what native/addon/addon.c exports, with types. Everything
// here runs in the daemon, as root.

import { createRequire } from 'node:module';
import type { Uid } from '../lib/values/uid.ts';

/** An entry of the host's user database (getpwuid(3)) with its groups (getgrouplist(3)), at most 256. */
export interface UserRecord {
  readonly uid: Uid;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
  readonly gecos: string;
  readonly groups: readonly { readonly gid: number; readonly name: string }[];
}

/** Every function throws an Error with `code` (errno name), `errno` and `syscall`. Descriptors are numbers. */
export interface Addon {
  /** A SOCK_SEQPACKET pair, close-on-exec; the first end is non-blocking. */
  socketPair(): [number, number];
  /** A listening socket that takes the place of whatever socket has the name, at once, with the given mode. */
  listen(path: string, mode: number): number;
  /** Of a listening socket that a service manager passed on; "" where it is none of a path. */
  inherit(fd: number): { readonly path: string; readonly seqpacket: boolean };
  /** Sends one datagram to a socket of that name ("@" in front: an abstract one); never waits. */
  datagram(path: string, data: Buffer): void;
  connect(path: string): number;
  /**
   * How many were closed at once, then those who wait: descriptor and uid (from the kernel) of each, in turns. -1 - uid: this uid has too many, and this one is
   * only to be discarded.
   */
  acceptClients(fd: number): number[];
  /**
   * A client's first message, which stays where it is with its descriptors. false: it is no login. null: the client has
   * gone, or has sent what is no message. undefined: nothing is there now.
   */
  lookAtLogin(fd: number): Buffer | false | null | undefined;
  /** The same, of sshd's module: false where it is no join. */
  lookAtJoin(fd: number): Buffer | false | null | undefined;
  /** Nothing can be sent to us from now on. true: closing it waits for nobody, for no descriptor lies in it. */
  silence(fd: number): boolean;
  /** true: a thread closes it, however long that takes. false: too many are at it. */
  closeAside(fd: number): boolean;
  /** null: the peer has closed. undefined: nothing there now. EBADMSG: a broken message, already discarded. */
  receive(fd: number): { data: Buffer; fds: number[] } | null | undefined;
  /** false: the peer's queue is full. */
  send(fd: number, data: Buffer, fds: readonly number[]): boolean;
  /** SIGKILL for the process that a pidfd stands for; nothing where it has gone. */
  kill(pidfd: number): void;
  lookupUser(user: Uid | string): Promise<UserRecord | null>;
  /**
   * A file of a user's home, with that user's rights; null: there is none. `strict`: nobody else may change it, the home,
   * or the one folder between.
   */
  readOwnFile(
    home: string,
    name: string,
    uid: Uid,
    gid: number,
    mostBytes: number,
    strict: boolean,
  ): Promise<{ readonly data?: Buffer; readonly problem?: string } | null>;
  /** An inotify descriptor; -1 where the kernel gives none. */
  watchOpen(): number;
  /** Watches a file, or a folder with what is in it. False: it can't be. */
  watchAdd(fd: number, path: string): boolean;
  /** Whether anything has happened since it was last asked. */
  watchDrain(fd: number): boolean;
  /** The file opened for writing; `free`: no loop device is behind it, and none comes to be before it is closed. */
  diskLock(path: string): { readonly fd: number; readonly free: boolean };
  /** Mounts the ext4 in a file from diskLock(), by the loop device that it has or a new one, in no mount namespace. */
  diskMount(fd: number): Promise<{ readonly mount: number; readonly device: string }>;
  /** Has a mounted ext4 fill the file behind the loop device, which has become larger. */
  diskGrow(device: string, mount: number, bytes: number): Promise<void>;
  /** Of the file system that a folder is on: whether quotas of projects are counted and enforced, 0 where not. */
  projectState(folder: string): Promise<{ readonly counted: number; readonly enforced: number }>;
  /** Of a folder; `inherits`: 0 where what is made in it does not belong to the same project. */
  projectOf(folder: string): Promise<{ readonly id: number; readonly inherits: number }>;
  /** Of the folder alone; 0: it belongs to none. */
  projectMark(folder: string, id: number): Promise<void>;
  /** 0: no limit. */
  projectLimit(folder: string, id: number, bytes: number, inodes: number): Promise<void>;
  projectUse(
    folder: string,
    id: number,
  ): Promise<{
    readonly bytes: number;
    readonly inodes: number;
    readonly mostBytes: number;
    readonly mostInodes: number;
  }>;
  /** Of a file without a name (O_TMPFILE); the name must be free. */
  giveName(fd: number, path: string): Promise<void>;
  /** Can be read when something of the host's network has changed (rtnetlink(7)). */
  uplinkWatch(): number;
  /** Whether an interface, an address or a default route has, since it was last asked; sandboxes' own do not count. */
  uplinkChanged(fd: number): boolean;
  /** The largest packet of an interface; 0: there is none of this name. */
  linkMtu(name: string): number;
  /** Whether it is an Ethernet bridge. */
  linkIsBridge(name: string): boolean;
  /** Of an established TCP connection in our network namespace (sock_diag(7)); null: there is none. Addresses of one family. */
  tcpState(
    family: 4 | 6,
    local: string,
    localPort: number,
    remote: string,
    remotePort: number,
  ): TcpState | null;
  /** Makes or replaces the host's table for private networks, all at once. `closed`: see HostTableSettings. */
  hostTableApply(table: {
    readonly pools: readonly string[];
    readonly closed: readonly string[];
    readonly open: readonly string[];
    /** Of one sandbox at a time; default: 16,384. */
    readonly connections?: number;
  }): void;
  /** An address that may reach more than the way out. */
  hostTableOpen(address: string, on: boolean): void;
  hostTableRemove(): void;
  /** Can be read when rules of the host have changed. */
  hostTableWatch(): number;
  /** Whether ours have, by somebody else, since it was last asked. */
  hostTableChanged(fd: number): boolean;
  /**
   * Calls back whenever the descriptor can be read (1; what is waited for if nothing is said) or written to (2), with which of it. Call the result
   * before closing the descriptor, and before waiting for something else of it.
   */
  poll(fd: number, callback: (events: number) => void, events?: number): () => void;
  /** Of a terminal's master; the last two are pixels. */
  resizeTerminal(fd: number, columns: number, rows: number, width: number, height: number): void;
  /** Encrypts a packet of ssh where it lies: length in clear, body, room for 16 bytes. `iv` counts on. */
  sealGcm(key: Uint8Array, iv: Uint8Array, packet: Uint8Array): void;
  /** Decrypts a body where it lies. False: it is not what was sent. */
  openGcm(key: Uint8Array, iv: Uint8Array, length: number, body: Uint8Array, tag: Uint8Array): boolean;
  /** The same with chacha20-poly1305@openssh.com, by the number of the packet. */
  sealChaCha(key: Uint8Array, number: number, packet: Uint8Array): void;
  lengthChaCha(key: Uint8Array, number: number, length: Uint8Array): number;
  openChaCha(key: Uint8Array, number: number, length: Uint8Array, body: Uint8Array, tag: Uint8Array): boolean;
}

/** What the other end of a TCP connection owes us. */
export interface TcpState {
  /** Bytes that it has not acknowledged, sent or not. */
  readonly owed: number;
  /** How often the first of them was sent again in vain. */
  readonly retransmits: number;
  /** How long ago something was sent for the first time. */
  readonly sentMs: number;
}

let loaded: Addon | undefined;

/** Loads the addon from a file that only root can change (checked by the caller). Once per process. */
export function loadAddon(file: string): Addon {
  loaded ??= createRequire(import.meta.url)(file) as Addon;
  return loaded;
}

export function addon(): Addon {
  if (loaded === undefined) throw new Error('the native addon has not been loaded');
  return loaded;
}
