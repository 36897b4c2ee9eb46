// Keeps an administrator from removing an image that somebody would miss at their next login.

import { DockershError } from '../../lib/errors.ts';
import type { AdminParts } from './parts.ts';

const mostNamed = 5;

/** Throws E_USAGE where the policy names it, or a sandbox runs on it. */
export async function requireUnused({ images, policy, engine }: AdminParts, name: string): Promise<void> {
  const removed = await images.nameOf(name);
  if (removed === undefined) return; // which the removal says
  for (const named of policy.imagesNamed()) {
    if ((await images.nameOf(named.image)) !== removed) continue;
    const { file, line, section, key } = named;
    throw inUse(name, `the policy names it, ${key} in [${section}] (${file}:${line})`);
  }
  const users: string[] = [];
  for (const { image, user } of await engine.list())
    if ((await images.nameOf(image)) === removed) users.push(user);
  if (users.length === 0) return;
  const more = users.length - mostNamed;
  const some = `${users.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  throw inUse(name, `sandboxes run on it, of ${some}`);
}

function inUse(name: string, why: string): DockershError {
  return new DockershError('E_USAGE', {
    what: `image ${name} is in use`,
    why,
    hint: 'Name another image in the policy first, or add --force: then whoever needs it is refused at their next start.',
  });
}
