// The words of self-service, each with what does it.

import type { Words } from '../asking.ts';
import { help } from './help.ts';
import { images, useImage } from './images.ts';
import { attach, detach, keep } from './kept.ts';
import { publish } from './publish.ts';
import { sessions } from './sessions.ts';
import { reset, rollback, snapshot } from './snapshots.ts';
import { status } from './status.ts';
import { undo } from './undo.ts';

export const words: Words = {
  help,
  status,
  sessions,
  attach,
  detach,
  snapshot,
  rollback,
  reset,
  images,
  image: useImage,
  keep,
  publish,
  undo,
};
