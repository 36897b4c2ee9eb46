// What moves users' files from one disk to another (src/isolation/disk-moves.ts), by dockersh-layer.

import { type LayerProgram, removeFolder } from './layer-program.ts';
import { runToEnd, usageReport } from './user-layer-files.ts';

export function diskFiles(program: LayerProgram) {
  return {
    copy: async (from: string, to: string): Promise<void> => {
      await runToEnd(program, ['copy', from, to], `copy ${from}`);
    },
    remove: async (folder: string): Promise<void> => await removeFolder(program, folder),
    mark: async (id: number, folder: string): Promise<void> => {
      await runToEnd(program, ['project', String(id), folder], `count the files in ${folder}`);
    },
    measure: async (folder: string): Promise<{ readonly bytes: number; readonly entries: number }> =>
      usageReport.parse(JSON.parse(await runToEnd(program, ['usage', folder], `measure ${folder}`))),
  };
}
