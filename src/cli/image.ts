// dockershctl image: every verb about images.

import type { Command } from 'commander';
import type { Console } from './console.ts';
import { addImageBootstrap } from './image-bootstrap.ts';
import { addImageDu } from './image-du.ts';
import { addImageExport } from './image-export.ts';
import { addImageGc } from './image-gc.ts';
import { addImageHistory } from './image-history.ts';
import { addImageImport, addImageLoad } from './image-import.ts';
import { addImageInspect } from './image-inspect.ts';
import { addImageLs } from './image-ls.ts';
import { addImagePull } from './image-pull.ts';
import { addImagePush } from './image-push.ts';
import { addImageRm } from './image-rm.ts';
import { addImageTag } from './image-tag.ts';
import { addImageVerify } from './image-verify.ts';

export function addImage(
  program: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  const image = program.command('image').description('manage images');
  addImageLs(image, console);
  addImagePull(image, console);
  addImagePush(image, console);
  addImageImport(image, console);
  addImageLoad(image, console);
  addImageBootstrap(image, console);
  addImageExport(image, console);
  addImageTag(image, console);
  addImageHistory(image, console);
  addImageInspect(image, console);
  addImageRm(image, console);
  addImageDu(image, console);
  addImageGc(image, console);
  addImageVerify(image, console, setStatus);
}
