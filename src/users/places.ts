// Names every place of what is kept of a user in the state. Nobody else spells one.
//
//   <state>/ids.json                    who has which range of ids
//   <state>/network.json                addresses of networks
//   <state>/users/<uid>/                "outside": what is never on a disk of the user's own
//     owner.json                        whose all this is
//     choices.json                      what the user has chosen by self-service
//     notices.json                      what has ended meanwhile, which the user is told of
//     home-place                        where a home was last that is elsewhere (home_root)
//     identity/<digest>/                the identity layer
//     rescue-on                         an administrator has switched to the rescue image
//     project                           what is counted as a project
//     disk.img, disk-bases.json         the user's own disk, and the images that what is on it needs
//     disk.new, disk.out                a disk that becomes a folder: not whole yet, and whole
//   "folder": the same, or where the user's own disk is mounted
//     layer/{upper,work}, base.json     what the sandbox mounts, and the image that it is made on
//     rescue/                           the same on the rescue image
//     snapshots/<name>/                 copies of the layer
//     home/                             the private home

import path from 'node:path';
import { type AbsolutePath, below } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';

export const idsFile = (state: AbsolutePath): AbsolutePath => below(state, 'ids.json');
export const networkFile = (state: AbsolutePath): AbsolutePath => below(state, 'network.json');
export const usersFolder = (state: AbsolutePath): AbsolutePath => below(state, 'users');
/** Where everything of a user's lies. */
export const userFolder = (state: AbsolutePath, uid: Uid): AbsolutePath =>
  below(usersFolder(state), String(uid));

export const ownerFile = (outside: AbsolutePath): AbsolutePath => below(outside, 'owner.json');
/** Copies of the users' keys (home/key-copies.ts): beside the state, which nobody but root can enter. */
export const keysFolder = (state: AbsolutePath): string => `${state}-keys`;
export const choicesFile = (outside: AbsolutePath): AbsolutePath => below(outside, 'choices.json');
export const noticesFile = (outside: AbsolutePath): AbsolutePath => below(outside, 'notices.json');
export const homePlaceFile = (outside: AbsolutePath): AbsolutePath => below(outside, 'home-place');
export const identityFolder = (outside: AbsolutePath): AbsolutePath => below(outside, 'identity');
export const rescueMark = (outside: AbsolutePath): AbsolutePath => below(outside, 'rescue-on');
export const projectMark = (outside: AbsolutePath): AbsolutePath => below(outside, 'project');
export const diskBasesFile = (outside: AbsolutePath): AbsolutePath => below(outside, 'disk-bases.json');
export const halfDisk = (outside: AbsolutePath): AbsolutePath => below(outside, 'disk.new');
export const wholeDisk = (outside: AbsolutePath): AbsolutePath => below(outside, 'disk.out');
/** There where the user's disk is an image: holds these parts in place of the folder. */
export const diskImage = (state: AbsolutePath, uid: Uid): AbsolutePath =>
  below(userFolder(state, uid), 'disk.img');

/** What a disk consists of. */
export const diskParts = ['layer', 'rescue', 'snapshots', 'home'] as const;

/** Whose changes are on top of the image: the user's own layer, or one for when their image is not to be had. */
export type UserLayerKind = 'own' | 'rescue';

export const layerFolder = (folder: string, kind: UserLayerKind = 'own'): string =>
  path.join(folder, kind === 'rescue' ? 'rescue' : 'layer');
/** The tree of the user's own layer. */
export const upperOf = (folder: string): string => path.join(layerFolder(folder), 'upper');
export const snapshotsFolder = (folder: string): string => path.join(folder, 'snapshots');
/** `place`: the folder, or another that is named for private homes. */
export const homeIn = (place: string): string => path.join(place, 'home');
