// Brings into sandboxes what their images lack for people who come by ssh: an sftp-server, and something that runs a
// command where there is no shell (native/stand-in/main.c); and the command by which they ask for what they may have. It lies in a layer below those of the image, so that all that the
// image has comes first, and an image that has all of it gets no such layer. Which command somebody gives is looked at by nobody:
// what files there are decides, inside.
//
//   <state>/stand-in/<hash>/tree/usr/lib/dockersh/stand-in            the program
//                                usr/bin/dockersh                     the program
//                                usr/lib/dockersh/sftp/…              the host's sftp-server and its libraries
//                                usr/lib/openssh/sftp-server          the program, where the host has its own, which sshd names

import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '../../lib/atomic-file.ts';
import { exists } from '../../lib/if-there.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { hasFile } from '../layers/find.ts';
import { findSftpServer, type SftpServer, stampOf } from './sftp-server.ts';

/** As SandboxImage has them. */
interface Layered {
  readonly digest: string;
  readonly layers: readonly { readonly path: string; readonly idmapped: boolean }[];
  readonly binds: readonly unknown[];
}

/** By which users ask for what they may have. */
const asker = '/usr/bin/dockersh';

/** Lets go of what is known of images that nobody has used for long. */
const mostKnown = 10_000;

export class StandIns {
  readonly #folder: string;
  readonly #program: string;
  /** Whether the image lacks something, by its digest: what is in it never changes. */
  readonly #lacking = new Map<string, boolean>();
  #made: Promise<string> | undefined;
  #server: SftpServer | undefined;
  #stamp = '';

  constructor(state: AbsolutePath, libexec: string) {
    this.#folder = path.join(state, 'stand-in');
    this.#program = path.join(libexec, 'dockersh-stand-in');
  }

  /** The image's layers, and one more below them where it lacks something. */
  async below(image: Layered): Promise<Layered['layers']> {
    if (image.binds.length > 0 || !(await this.#lacks(image))) return image.layers; // the host's own programs
    return [...image.layers, { path: await this.#layer(), idmapped: true }];
  }

  async #lacks({ digest, layers }: Layered): Promise<boolean> {
    const known = this.#lacking.get(digest);
    if (known !== undefined) return known;
    const folders = layers.map((layer) => layer.path);
    const has = async (file: string): Promise<boolean> => await hasFile(folders, file);
    this.#server ??= await findSftpServer();
    const lacks = !(await has('/bin/sh')) || !(await has(this.#server.place)) || !(await has(asker));
    if (this.#lacking.size >= mostKnown) this.#lacking.clear();
    this.#lacking.set(digest, lacks);
    return lacks;
  }

  /** Made anew where the host's programs have changed; a sandbox keeps the one that it has begun with. */
  async #layer(): Promise<string> {
    if (this.#made === undefined || this.#stamp !== (await this.#stampNow())) this.#made = this.#make();
    try {
      return await this.#made;
    } catch (error) {
      this.#made = undefined; // the next start tries again
      throw error;
    }
  }

  async #stampNow(): Promise<string> {
    try {
      return await stampOf(this.#server?.files ?? new Map());
    } catch {
      return 'something is gone'; // in the middle of an upgrade of the host, say
    }
  }

  async #make(): Promise<string> {
    const server = await findSftpServer();
    this.#server = server;
    this.#stamp = await stampOf(server.files);
    const sources = [this.#stamp, await stampOf(new Map([['stand-in', this.#program]]))].join('\n');
    const whole = path.join(this.#folder, createHash('sha256').update(sources).digest('hex').slice(0, 32));
    const tree = path.join(whole, 'tree');
    if (await exists(whole)) return tree;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder))
      if (name.startsWith('.new-')) await rm(path.join(this.#folder, name), { recursive: true });
    const half = path.join(this.#folder, `.new-${process.pid}`);
    await fill(path.join(half, 'tree'), this.#program, server);
    await rename(half, whole);
    await syncFolder(this.#folder);
    return tree;
  }
}

async function fill(tree: string, program: string, { place, files }: SftpServer): Promise<void> {
  await put(program, path.join(tree, 'usr/lib/dockersh/stand-in'));
  await put(program, path.join(tree, place));
  await put(program, path.join(tree, asker));
  for (const [name, file] of files) await put(file, path.join(tree, 'usr/lib/dockersh/sftp', name));
}

async function put(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true, mode: 0o755 });
  await copyFile(from, to);
  await chmod(to, 0o755);
}
