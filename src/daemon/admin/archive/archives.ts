// The admin verbs that write what is kept of a user into one file, and take such a file.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { UserRecord } from '../../../isolation/engine.ts';
import { DockershError } from '../../../lib/errors.ts';
import { readEnd } from '../../../lib/fds/pipe.ts';
import { ifThere } from '../../../lib/if-there.ts';
import { printable } from '../../../lib/text/printable.ts';
import { uidIn } from '../../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../../policy/policy.ts';
import { openArchive } from '../../../users/archive/unpack.ts';
import { isVirtual } from '../../../users/layer/files.ts';
import { type AdminParts, findOwner, type Handlers } from '../parts.ts';
import { writeOut, writeWhole } from './export-file.ts';

export function archiveHandlers(parts: AdminParts): Handlers<'account.export' | 'account.import'> {
  const { archives } = parts;
  return {
    'account.export': async ({ user, path, stop, pause }, { progress, signal }) => {
      const record = await findOwner(parts, user);
      const options = { onProgress: progress, signal };
      const homeRoot = (await policyOf(parts, record))?.homeRoot ?? null;
      const { leftOut, ...done } = await archives.export(
        record,
        homeRoot,
        { stop, pause },
        async (stream, end) => await writeOut(path, stream, { ...options, signal: end }),
        options,
      );
      return { user: record.name, path, ...done, leftOut: { ...leftOut, examples: [...leftOut.examples] } };
    },
    'account.import': async ({ path, as, replace }, { progress, signal }) => {
      const source = await openSource(path);
      progress({ step: 'reading the archive' }); // now a pipe may be written to
      const options = { onProgress: progress, signal };
      using archive = await openArchive(source);
      const { user: from } = archive.manifest;
      const record = as === undefined ? await accountOf(parts, from.name) : await findOwner(parts, as);
      const save =
        replace === undefined
          ? undefined
          : async (stream: Readable) => await writeWhole(replace, stream, options);
      const policy = await policyOf(parts, record);
      const { base, saved, ...done } = await archives.import(record, policy, archive, save, options);
      parts.keys.follow(record.uid);
      return {
        user: record.name,
        uid: record.uid,
        from,
        ...done,
        image: base?.image ?? null,
        imageThere: base !== null && (await isThere(parts, base)),
        saved: saved ? (replace ?? null) : null,
      };
    },
  };
}

/** Undefined: it gives nothing. */
async function policyOf({ policy }: AdminParts, user: UserRecord): Promise<EffectivePolicy | undefined> {
  await policy.refresh();
  const evaluation = policy.evaluate(user);
  return evaluation.kind === 'ok' ? evaluation.policy : undefined;
}

/** The archive says for whom it is, and anybody may have written it: that is a name, and no uid. */
async function accountOf(parts: AdminParts, name: string): Promise<UserRecord> {
  if (uidIn(name) === undefined && (await parts.users.find(name)) !== undefined)
    return await findOwner(parts, name);
  throw new DockershError('E_NOT_FOUND', {
    what: `user ${printable(name)}`,
    why: 'this host knows no such account',
    hint: 'Make the account first, or say whose it is to be: --as NAME.',
  });
}

async function openSource(file: string): Promise<Readable> {
  const info = await ifThere(stat(file));
  if (info === undefined)
    throw new DockershError('E_NOT_FOUND', { what: file, why: 'there is no such file' });
  if (info.isFIFO()) return readEnd(file);
  if (info.isFile()) return createReadStream(file, { highWaterMark: 256 * 1024 });
  throw new DockershError('E_USAGE', { what: file, why: 'it is no file', hint: 'Name an archive.' });
}

async function isThere(
  { images }: AdminParts,
  { image, digest }: { readonly image: string; readonly digest: string },
): Promise<boolean> {
  try {
    return (await images.resolve(isVirtual(digest) ? image : `image@${digest}`)) !== undefined;
  } catch (error) {
    if (error instanceof DockershError) return false; // a name that means nothing here, or an image that is damaged
    throw error;
  }
}
