// Falls back to a rescue image, with a layer of its own and the same home, when a user's own image is missing or
// damaged. The user's own layer is not touched: it belongs to their image.
//
// By itself only where the image is missing or damaged, which this start could not mend. A start that fails in
// another way may be the host's fault, and a second image would only hide it: then an administrator decides
// ("dockershctl user rescue USER on").

import { lstat, mkdir, rm } from 'node:fs/promises';
import type { ImageStore, ResolvedImage } from '../images/store/image-store.ts';
import type { SandboxSpec, UserRecord } from '../isolation/engine.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import { missing } from './image-at-start.ts';
import { rescueMark, type UserLayerKind } from './places.ts';

export interface ImageAtStart {
  readonly image: ResolvedImage;
  readonly layer: UserLayerKind;
  readonly notice: SandboxSpec['notice'];
}

export interface RescueChoice {
  readonly images: ImageStore;
  readonly log: Logger;
  readonly user: UserRecord;
  /** The user's folder in the state. */
  readonly outside: AbsolutePath;
  /** The rescue image that the policy names. */
  readonly rescue: string | null;
  /** The user's own image. Throws E_IMAGE_MISSING, E_IMAGE_BROKEN, E_IMAGE_UNTRUSTED. */
  readonly own: () => Promise<ResolvedImage>;
}

export async function imageOrRescue(choice: RescueChoice): Promise<ImageAtStart> {
  const { log, user, outside, rescue, own } = choice;
  if (rescue !== null && (await isMarkedRescue(outside))) {
    const image = await rescueImage(choice, rescue);
    return { image, layer: 'rescue', notice: noticeOf('was taken out of use by an administrator') };
  }
  try {
    return { image: await own(), layer: 'own', notice: undefined };
  } catch (error) {
    if (rescue === null || !isImageFailure(error)) throw error;
    const image = await rescueImage(choice, rescue).catch(() => undefined); // then the first failure is the one to tell
    if (image === undefined) throw error;
    log.error(
      { uid: user.uid, user: user.name, rescue, err: error },
      'the image is missing, damaged or not trusted: starting from the rescue image',
    );
    return { image, layer: 'rescue', notice: noticeOf(`is ${faultOf(error)}`) };
  }
}

/** For the user: without it they would look for their programs in vain. */
function noticeOf(what: string): string {
  return [
    `dockersh: RESCUE: this is not your usual system, which ${what}.`,
    'dockersh: Your home is the same; everything else is kept apart from what you had changed.',
    'dockersh: Ask the administrator of this host when your own will be back.',
  ].join('\n');
}

function faultOf(error: unknown): string {
  const code = error instanceof DockershError ? error.code : undefined;
  if (code === 'E_IMAGE_UNTRUSTED') return 'not trusted on this host';
  return code === 'E_IMAGE_BROKEN' ? 'damaged' : 'not on this host';
}

function isImageFailure(error: unknown): boolean {
  return (
    error instanceof DockershError &&
    ['E_IMAGE_MISSING', 'E_IMAGE_BROKEN', 'E_IMAGE_UNTRUSTED'].includes(error.code)
  );
}

async function rescueImage({ images }: RescueChoice, name: string): Promise<ResolvedImage> {
  const image = await images.resolve(name);
  if (image === undefined) throw missing(name);
  await images.requireTrusted(name, image.digest);
  return image;
}

export async function isMarkedRescue(outside: AbsolutePath): Promise<boolean> {
  try {
    await lstat(rescueMark(outside));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

export async function markRescue(outside: AbsolutePath, on: boolean): Promise<void> {
  if (!on) {
    await rm(rescueMark(outside), { force: true });
    return;
  }
  await mkdir(outside, { recursive: true, mode: 0o700 });
  await writeFileAtomic(rescueMark(outside), '');
}
