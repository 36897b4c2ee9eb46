// Holds disk limits by project quotas: users' files are counted from a start on, and the limit is set twice in it,
// with room for what the start makes, and exactly.

import path from 'node:path';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { diskParts, userFolder } from '../places.ts';
import type { DiskLimits, DiskUse } from './limits.ts';
import {
  forgetProject,
  isProject,
  limitExactly,
  limitForStart,
  makeProject,
  type Project,
  projectsMissing,
  projectUse,
} from './project-quota.ts';

/** Whose disk. */
export interface DiskOwner {
  readonly uid: Uid;
  /** What root inside is on the host. */
  readonly projectId: number;
}

export interface ProjectDisksOptions {
  readonly state: AbsolutePath;
  readonly log: Logger;
  /** Makes everything in a folder a project's; 0: nobody's. */
  readonly mark: (id: number, folder: string) => Promise<void>;
}

const unlimitedDisk = { diskBytes: null, inodes: null };

export class ProjectDisks {
  readonly #options: ProjectDisksOptions;

  constructor(options: ProjectDisksOptions) {
    this.#options = options;
  }

  #folderOf(uid: Uid): AbsolutePath {
    return userFolder(this.#options.state, uid);
  }

  /** Whether the user's files are counted. */
  has(uid: Uid): boolean {
    return isProject(this.#folderOf(uid));
  }

  #projectOf({ uid, projectId }: DiskOwner, { home, homeRoot }: DiskLimits): Project {
    const homePlace = home === 'private' && homeRoot !== null ? path.join(homeRoot, String(uid)) : undefined;
    return { id: projectId, outside: this.#folderOf(uid), homePlace };
  }

  /** As UserDisks has it. */
  async prepare(owner: DiskOwner, limits: DiskLimits): Promise<void> {
    const project = this.#projectOf(owner, limits);
    await this.#make(project);
    await limitForStart(project, limits);
  }

  /** As UserDisks has it. */
  async seal(owner: DiskOwner, limits: DiskLimits, layer: string): Promise<void> {
    const project = this.#projectOf(owner, limits);
    await this.#make(project); // a home below home_root may be new
    await limitExactly(project, limits, layer);
  }

  /** Has what is counted keep to limits at once. */
  async limit(owner: DiskOwner, limits: DiskLimits): Promise<void> {
    await limitExactly(this.#projectOf(owner, limits), limits);
  }

  /** Goes on counting, and no more than that. */
  async lift(owner: DiskOwner, limits: DiskLimits): Promise<void> {
    await this.limit(owner, { ...limits, ...unlimitedDisk });
  }

  async #make(project: Project): Promise<void> {
    const started = performance.now();
    if (!(await makeProject(project, diskParts, this.#options.mark))) return;
    const ms = Math.round(performance.now() - started);
    this.#options.log.info(
      { folder: project.outside, project: project.id, ms },
      'files counted as a project',
    );
  }

  /** As UserDisks has it. */
  async leave(uid: Uid, folder: string): Promise<void> {
    await forgetProject(this.#folderOf(uid));
    await this.#options.mark(0, folder);
  }

  /** Undefined where nothing counts any more. */
  async use({ uid, projectId }: DiskOwner): Promise<DiskUse | undefined> {
    const outside = this.#folderOf(uid);
    if ((await projectsMissing(outside)) !== undefined) return undefined;
    return await projectUse({ id: projectId, outside, homePlace: undefined });
  }
}
