// @snapshot, @rollback and @reset: copies of the files of the user's sandbox, and the ways back.

import { humanAgo, humanSize } from '../../../lib/text/human.ts';
import { renderTable } from '../../../lib/text/table.ts';
import type { AdminSnapshot } from '../../../protocol/admin.ts';
import { type Asking, refusal, type WordHandler, type WordParts } from '../asking.ts';

const columns = [
  { header: 'SNAPSHOT' },
  { header: 'MADE' },
  { header: 'IMAGE' },
  { header: 'SIZE', align: 'right' as const },
  { header: 'MESSAGE' },
];

export function snapshotTable(snapshots: readonly AdminSnapshot[]): string {
  const rows = snapshots.map(({ name, createdAt, image, sizeBytes, message }) => [
    ...[name, humanAgo(createdAt), image ?? '-', humanSize(sizeBytes), message ?? ''],
  ]);
  return renderTable(columns, rows);
}

export const snapshot: WordHandler = async (asking, { verb }) => {
  const [name] = asking.command.args;
  const { snapshot: made } = await verb(asking, 'snapshot.create', name === undefined ? {} : { name });
  return { json: { snapshot: made }, text: `Kept as ${made.name}: @rollback ${made.name} leads back to it.` };
};

export const rollback: WordHandler = async (asking, parts) => {
  const [name] = asking.command.args;
  await requireSnapshot(asking, parts, name);
  const result = await parts.verb(asking, 'rollback', name === undefined ? {} : { name });
  await remember(asking, parts, 'rollback', result.saved);
  return {
    json: { snapshot: result.snapshot, saved: result.saved, stopped: result.stopped },
    text: `The files of your sandbox are as in ${result.snapshot.name}.${savedText(result.saved)}`,
  };
};

/** Nobody can be asked: without a terminal there is no answer, and a script would not read the question. */
export const reset: WordHandler = async (asking, parts) => {
  if (asking.command.args.length === 0) {
    throw refusal(
      'E_USAGE',
      'this ends everything in your sandbox and takes away what you have changed of the files of its image, ' +
        'but not your home; a copy is kept. If that is what you want, say "@reset yes"',
    );
  }
  const { saved, stopped } = await parts.verb(asking, 'reset', { save: true });
  await remember(asking, parts, 'reset', saved);
  return {
    json: { saved, stopped },
    text: `Your sandbox begins with the files of its image again.${savedText(saved)}`,
  };
};

async function remember(
  { user }: Asking,
  { admin }: WordParts,
  word: 'reset' | 'rollback',
  saved: AdminSnapshot | null,
): Promise<void> {
  if (saved !== null) await admin.store.choices.replaced(user.uid, word, saved.name);
}

function savedText(saved: AdminSnapshot | null): string {
  return saved === null ? '' : ` What was there before is kept as ${saved.name}; @undo leads back to it.`;
}

/** A name that is not there is a mistake of the user's, told in their words. */
async function requireSnapshot(asking: Asking, { verb }: WordParts, name: string | undefined): Promise<void> {
  const { snapshots } = await verb(asking, 'snapshot.ls', {});
  if (name === undefined ? snapshots.length > 0 : snapshots.some((one) => one.name === name)) return;
  throw refusal(
    'E_NOT_FOUND',
    name === undefined ? 'you have no snapshot' : `you have no snapshot "${name}"`,
  );
}
