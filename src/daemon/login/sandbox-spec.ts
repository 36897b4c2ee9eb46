// Works out a sandbox's specification when it is about to start: what the policy gives, on the image that the user's
// layer is made on, with what of that image's configuration counts here.

import type { ResolvedImage } from '../../images/store/image-store.ts';
import type { SandboxImage, SandboxSpec, UserRecord } from '../../isolation/engine.ts';
import { requireUsable } from '../../isolation/supervisor/session-size.ts';
import type { Logger } from '../../lib/log.ts';
import type { EffectivePolicy, SectionPolicy } from '../../policy/policy.ts';
import { imageEnvironment } from '../../shell/environment.ts';
import { resolveImageUser } from '../../shell/image-user.ts';
import type { ShellChoice } from '../../shell/session.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { UserLayers } from '../user-layers.ts';
import type { SystemCalls } from './system-calls.ts';

export interface SpecParts {
  readonly policy: PolicyStore;
  readonly layers: UserLayers;
  readonly systemCalls: SystemCalls;
  readonly log: Logger;
}

/** For whom it is, and what has been settled for them. */
export interface SpecSubject {
  readonly user: UserRecord;
  readonly policy: EffectivePolicy;
  /** What the user has set. */
  readonly own: readonly SectionPolicy[];
  readonly shell: ShellChoice;
}

/** Call while there is no sandbox. Throws as UserLayers.imageAtStart and SystemCalls.for do. */
export async function sandboxSpec(parts: SpecParts, subject: SpecSubject): Promise<SandboxSpec> {
  const { user, policy, own, shell } = subject;
  const systemCalls = await parts.systemCalls.for(policy);
  const { image, layer, notice } = await parts.layers.imageAtStart(user, policy, parts.log);
  const env = imageEnvironment(image.config.env);
  requireUsable(image.name, env);
  return {
    ...policy,
    settings: parts.policy.settingsOf(user, own),
    user,
    layer,
    systemCalls,
    notice,
    shell: shell.path,
    image: {
      ...image,
      env,
      workingDir: folderInside(image.config.workingDir),
      user: imageUser(image, subject, parts.log),
    },
  };
}

function imageUser(image: ResolvedImage, { user, policy }: SpecSubject, log: Logger): SandboxImage['user'] {
  const found = resolveImageUser(image.config.user, image);
  if (found?.kind === 'ids') return found.identity;
  if (found?.kind === 'unknown') return { why: found.why };
  if (found?.kind === 'root' && policy.imageUser !== 'ignore') {
    const about = { uid: user.uid, user: user.name, image: image.name };
    log.warn(about, "image_user: the image's User is root, so commands run as the user");
  }
  return undefined;
}

/** An image is a stranger's work: what is no absolute path counts as nothing. */
function folderInside(workingDir: string | undefined): string | undefined {
  return workingDir !== undefined && /^\/[^\0]*$/.test(workingDir) ? workingDir : undefined;
}
