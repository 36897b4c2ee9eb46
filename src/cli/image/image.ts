// dockershctl image: every verb about images.

import type { Command } from 'commander';
import type { Console } from '../console.ts';
import { addImageBootstrap } from './bootstrap.ts';
import { addImageDu } from './du.ts';
import { addImageExport } from './export.ts';
import { addImageGc } from './gc.ts';
import { addImageHistory } from './history.ts';
import { addImageImport, addImageLoad } from './import.ts';
import { addImageInspect } from './inspect.ts';
import { addImageLs } from './ls.ts';
import { addImagePull } from './pull.ts';
import { addImagePush } from './push.ts';
import { addImageRm } from './rm.ts';
import { addImageTag } from './tag.ts';
import { addImageVerify } from './verify.ts';

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
