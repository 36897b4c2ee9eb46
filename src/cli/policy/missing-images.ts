// Finds images that a policy names and this host does not have: their users would be refused.

import { hostImageName } from '../../lib/text/image-name.ts';
import { imagesNamed } from '../../policy/images-named.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Problem } from '../../policy/problem.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';

export type MissingImages = (policy: Policy) => Promise<Problem[]>;

/** `daemon`: undefined where none answers, which is who knows the images. */
export async function missingImages(cli: Console, daemon: object | undefined): Promise<MissingImages> {
  const known = new Map<string, Promise<boolean>>();
  const isThere = (name: string): Promise<boolean> => {
    const asked = known.get(name) ?? has(cli, name);
    known.set(name, asked);
    return asked;
  };
  return async (policy) => {
    const found: Problem[] = [];
    for (const { image, file, line, key } of daemon === undefined ? [] : imagesNamed(policy)) {
      if (image === hostImageName || (await isThere(image))) continue;
      const message = `${key} names ${image}, which is not on this host: those who get it can't log in`;
      const hint = 'dockershctl image pull, or image import';
      found.push({ severity: 'warning', file, line, message, hint });
    }
    return found;
  };
}

async function has(cli: Console, name: string): Promise<boolean> {
  try {
    await cli.call('image.inspect', { name });
    return true;
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    return error.code !== 'E_NOT_FOUND'; // what else there is to say of it, "image verify" says
  }
}
