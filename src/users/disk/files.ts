// Moves users' files from one disk to another (for src/users/disk/moves.ts), by dockersh-layer.

import { layerReport, runLayerJob } from '../../images/layers/job.ts';
import { type LayerProgram, removeFolder } from '../../images/layers/program.ts';
import { usageReport } from '../layer/files.ts';

export function diskFiles(program: LayerProgram) {
  return {
    copy: async (from: string, to: string): Promise<void> => {
      await runLayerJob(program, ['copy', from, to], { what: `copy ${from}` });
    },
    remove: async (folder: string): Promise<void> => await removeFolder(program, folder),
    mark: async (id: number, folder: string): Promise<void> => {
      await runLayerJob(program, ['project', String(id), folder], { what: `count the files in ${folder}` });
    },
    measure: async (folder: string): Promise<{ readonly bytes: number; readonly entries: number }> =>
      await layerReport(program, ['usage', folder], usageReport, { what: `measure ${folder}` }),
  };
}
