// Makes base images: of a distribution's packages through mmdebstrap, or of busybox alone.
//
// mmdebstrap runs as root: it unpacks packages and runs their installation scripts in a chroot. Both are
// trusted as far as apt on this host trusts them, by the distribution's signature. It gets namespaces of its
// own, so that no mount, process or host name of it is the host's; it starts no service (it installs a
// policy-rc.d), has no terminal, and ends with the daemon.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { DockershError } from '../../lib/errors.ts';
import type { ImportOptions, ImportResult } from '../import/options.ts';
import type { ImageStore } from '../store/image-store.ts';
import { makeBusyboxRoot } from './busybox.ts';
import { runMmdebstrap } from './debian.ts';

export interface BootstrapRequest {
  /** "debian:trixie", "ubuntu:noble", or "busybox". */
  readonly suite: string;
  /** Of the image. */
  readonly name: string;
  readonly mirror?: string | undefined;
  readonly packages?: readonly string[] | undefined;
}

export interface BootstrapOptions extends ImportOptions {
  /** A folder of root's on a disk with room; made where it is missing. */
  readonly scratch: string;
}

/** Throws E_USAGE (no such suite), E_NOT_FOUND (a program is missing), E_MIRROR, E_INTERNAL (it failed), E_DISK_FULL. */
export async function bootstrapImage(
  images: ImageStore,
  request: BootstrapRequest,
  options: BootstrapOptions,
): Promise<ImportResult> {
  await mkdir(options.scratch, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(path.join(options.scratch, 'bootstrap-'));
  try {
    const root = path.join(folder, 'root');
    if (request.suite === 'busybox') {
      refuseExtras(request);
      await makeBusyboxRoot(root);
    } else {
      await runMmdebstrap({ ...request, root, temporary: folder }, options);
    }
    options.signal?.throwIfAborted();
    return await images.importRootfs(request.name, root, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function refuseExtras({ mirror, packages }: BootstrapRequest): void {
  if (mirror === undefined && packages === undefined) return;
  throw new DockershError('E_USAGE', {
    what: 'bootstrap busybox',
    why: 'it is one program and comes from this host: it has no packages and no mirror',
    hint: 'Leave --mirror and --include away.',
  });
}
