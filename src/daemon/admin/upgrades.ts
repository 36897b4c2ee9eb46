// The admin verbs that put users' layers on newer images: for one user, or for all whom a group or an image means.

import type { UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { AdminParams, AdminResult } from '../../protocol/admin.ts';
import type { userVerbs } from '../../protocol/admin-users.ts';
import { type AdminParts, type Call, findOwner, type Handlers } from './parts.ts';

type Plan = AdminResult<'upgrade.plan'>['users'][number];
type UpgradeVerbs = Extract<keyof typeof userVerbs, `upgrade${string}`>;

export function upgradeHandlers(parts: AdminParts): Handlers<UpgradeVerbs> {
  const { upgrades } = parts;
  return {
    'upgrade.plan': async (params, call) => ({ users: await plansOf(parts, params, call) }),
    upgrade: async ({ user }, { signal }) => {
      const record = await findOwner(parts, user);
      const policy = await policyOf(parts, record);
      return { user: record.name, image: policy.image, ...(await upgrades.upgrade(record, policy, signal)) };
    },
    'upgrade.back': async ({ user }, { signal }) => {
      const record = await findOwner(parts, user);
      const policy = await policyOf(parts, record);
      return { user: record.name, image: policy.image, ...(await upgrades.back(record, policy, signal)) };
    },
  };
}

/** One whose plan cannot be made is told with the reason, and keeps nobody else's from being made. */
async function plansOf(
  parts: AdminParts,
  params: AdminParams<'upgrade.plan'>,
  { progress, signal }: Call,
): Promise<Plan[]> {
  const plans: Plan[] = [];
  const wanted = await usersMeant(parts, params);
  for (const [index, user] of wanted.entries()) {
    signal.throwIfAborted();
    progress({ step: `looking at ${user.name}, ${index + 1} of ${wanted.length}` });
    const plan = await planOf(parts, user, params, signal);
    if (plan !== undefined) plans.push(plan);
  }
  return plans;
}

async function planOf(
  parts: AdminParts,
  user: UserRecord,
  { users, image }: AdminParams<'upgrade.plan'>,
  signal: AbortSignal,
): Promise<Plan | undefined> {
  const { images, upgrades } = parts;
  const about = { user: user.name, uid: user.uid };
  const none = { image: null, from: null, to: null, before: null, upgraded: false, running: false };
  const shadowed = { count: 0, examples: [], packages: false };
  try {
    const policy = await policyOf(parts, user);
    if (users === undefined && policy.exempt === 'yes') return undefined;
    if (image !== undefined && !(await meansSame(images, image, policy.image))) return undefined;
    const plan = await upgrades.plan(user, policy, signal);
    const { count, examples, packages } = plan.shadowed;
    return {
      ...about,
      ...plan,
      image: policy.image,
      shadowed: { count, examples: [...examples], packages },
      why: null,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DockershError)) throw error;
    // Of a user who has no layer yet there is nothing to upgrade.
    if (users === undefined && (error.code === 'E_NOT_FOUND' || error.code === 'E_NO_POLICY'))
      return undefined;
    return { ...about, ...none, shadowed, why: error.message };
  }
}

async function usersMeant(
  parts: AdminParts,
  { users, group }: AdminParams<'upgrade.plan'>,
): Promise<UserRecord[]> {
  if (users !== undefined) return await Promise.all(users.map(async (user) => await findOwner(parts, user)));
  const found: UserRecord[] = [];
  for (const uid of await parts.accounts.uids()) {
    const record = await parts.users.find(uid);
    if (record === undefined || !parts.store.owners.isOwn(record)) continue;
    if (group === undefined || record.groups.some(({ name }) => name === group)) found.push(record);
  }
  return found.sort((one, other) => one.name.localeCompare(other.name));
}

async function meansSame(images: AdminParts['images'], one: string, other: string): Promise<boolean> {
  return one === other || ((await images.nameOf(one)) ?? one) === ((await images.nameOf(other)) ?? other);
}

/** Throws E_NO_POLICY where the policy names no image. */
export async function policyOf({ ownSettings }: AdminParts, user: UserRecord): Promise<EffectivePolicy> {
  const { evaluation } = await ownSettings.given(user);
  if (evaluation.kind === 'ok') return evaluation.policy;
  throw new DockershError('E_NOT_FOUND', {
    what: `an image for ${user.name}`,
    why: 'the policy names none',
    hint: 'Set "image" in [defaults] or for the user.',
  });
}
