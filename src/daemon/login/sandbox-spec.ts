// Works out a sandbox's specification when it is about to start: what the policy gives, on the image that the user's
// layer is made on, with what of that image's configuration counts here.

import { hostname } from 'node:os';
import { runFoldersOf } from '../../images/run-folders.ts';
import type { ResolvedImage } from '../../images/store/image-store.ts';
import type {
  Engine,
  PreparedSandbox,
  SandboxImage,
  SandboxSpec,
  UserRecord,
} from '../../isolation/engine.ts';
import type { Networks } from '../../isolation/network/networks.ts';
import { requireUsable } from '../../isolation/supervisor/session-size.ts';
import type { Logger } from '../../lib/log.ts';
import type { EffectivePolicy, SectionPolicy } from '../../policy/policy.ts';
import { imageEnvironment } from '../../shell/environment.ts';
import { resolveImageUser } from '../../shell/image-user.ts';
import type { ShellChoice } from '../../shell/session.ts';
import { machineIdOf } from '../../users/identity/machine-id.ts';
import type { UserLayers } from '../../users/layers.ts';
import { stopUser } from '../../users/lock.ts';
import type { ImageAtStart } from '../../users/rescue.ts';
import type { UserStore } from '../../users/store.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { SystemCalls } from './system-calls.ts';

export interface SpecParts {
  readonly policy: PolicyStore;
  readonly layers: UserLayers;
  readonly store: UserStore;
  readonly engine: Pick<Engine, 'stopStarted'>;
  readonly systemCalls: SystemCalls;
  readonly networks: Networks;
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

/**
 * Call while there is no sandbox. Holds the user's data until it is disposed. Throws E_STOPPING where somebody else has it
 * for too long, and as UserLayers.prepareStart, UserStore.storage and SystemCalls.for do.
 */
export async function prepareSandbox(parts: SpecParts, subject: SpecSubject): Promise<PreparedSandbox> {
  const { user, policy } = subject;
  const { layers, store, engine, log } = parts;
  const network = await networkFor(parts, subject);
  const systemCalls = await parts.systemCalls.for(policy);
  await using stack = new AsyncDisposableStack();
  const held = await stopUser(stack.use(await store.locks.lock(user.uid, patienceMs)), engine);
  const start = await layers.prepareStart(held, user, policy, log);
  const runFolders = await runFoldersOf(start.image);
  const machineId = await machineIdOf(user);
  const spec = { ...specOf(parts, subject, start, systemCalls), ...network, runFolders, machineId };
  const storage = await store.storage(held, spec, policy, start.layer);
  const lock = stack.move();
  return { spec, storage, [Symbol.asyncDispose]: async () => await lock.disposeAsync() };
}

/** A host that cannot give a private network gives none, where the policy is content with that. Throws E_NETWORK. */
async function networkFor(
  { networks }: SpecParts,
  { user, policy }: SpecSubject,
): Promise<Pick<SandboxSpec, 'network' | 'link'>> {
  const { network, strict } = policy;
  if (network.kind !== 'private') return { network, link: undefined };
  const link = await networks.link(user.uid, strict);
  return link === undefined ? { network: { kind: 'none' }, link } : { network, link };
}

/** How long a login waits for whoever is at the user's data. */
const patienceMs = 30_000;

function specOf(
  { policy: policies, log }: SpecParts,
  subject: SpecSubject,
  { image, notice }: ImageAtStart,
  systemCalls: SandboxSpec['systemCalls'],
): Omit<SandboxSpec, 'network' | 'link' | 'runFolders' | 'machineId'> {
  const { user, policy, own, shell } = subject;
  const env = imageEnvironment(image.config.env);
  requireUsable(image.name, env);
  return {
    ...policy,
    settings: policies.settingsOf(user, own),
    user,
    systemCalls,
    notice,
    hostname: policy.hostname ?? hostname(),
    shell: shell.path,
    image: {
      ...image,
      env,
      workingDir: folderInside(image.config.workingDir),
      user: imageUser(image, subject, log),
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
