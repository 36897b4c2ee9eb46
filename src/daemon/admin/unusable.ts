// Tells whoever brings an image in that nobody will get into it: the image may be here to be passed on, but users who
// are given it get no further than to an error.

import type { ImageStore } from '../../images/store/image-store.ts';
import { requireUsable } from '../../isolation/supervisor/session-size.ts';
import { DockershError } from '../../lib/errors.ts';
import type { AdminProgress } from '../../protocol/admin.ts';
import { imageEnvironment } from '../../shell/environment.ts';

export async function tellUnusable(
  images: Pick<ImageStore, 'inspect'>,
  name: string,
  progress: (progress: AdminProgress) => void,
): Promise<void> {
  const { config } = await images.inspect(name);
  const env: unknown = config['Env'];
  const variables = Array.isArray(env) ? env.filter((entry) => typeof entry === 'string') : [];
  try {
    requireUsable(name, imageEnvironment(variables));
  } catch (error) {
    if (!(error instanceof DockershError) || error.code !== 'E_TOO_LARGE') throw error;
    progress({ id: name, step: `Warning: ${error.message} [${error.code}]` });
  }
}
