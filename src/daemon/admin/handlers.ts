// The admin verbs, one handler each: this table holds those of the daemon itself, and the others' tables.

import { release } from 'node:os';
import type { ImageStore } from '../../images/store/image-store.ts';
import { DockershError } from '../../lib/errors.ts';
import { version } from '../../lib/version.ts';
import type { AdminParams, AdminResult } from '../../protocol/admin.ts';
import { isVirtual } from '../../users/layer/snapshots.ts';
import type { Account } from '../../users/owners.ts';
import { gatewayHandlers } from '../gateway/verbs.ts';
import { recordingHandlers } from '../recordings/verbs.ts';
import { accountHandlers } from './accounts.ts';
import { askedBy } from './asked-by.ts';
import { imageHandlers } from './images.ts';
import { type AdminParts, faultOf, findUser, type Handlers } from './parts.ts';
import { policyHandlers } from './policy.ts';
import { userHandlers } from './users.ts';

export function handlersOf(parts: AdminParts): Handlers {
  const { engine, users, operations } = parts;
  return {
    ...accountHandlers(parts),
    ...imageHandlers(parts),
    ...userHandlers(parts),
    ...policyHandlers(parts),
    ...recordingHandlers(parts),
    ...gatewayHandlers(parts),
    operations: async () => ({ operations: operations.list() }),
    cancel: async ({ id }) => await operations.cancel(id, askedBy().by ?? 'root'),
    network: async () => await parts.networks(),
    version: async () => ({ version, node: process.version, kernel: release(), cgroup: parts.cgroup }),
    health: async () => ({
      ...parts.paths,
      unenforced: await parts.unenforced(),
      policyFault: faultOf(parts),
      recordingsWaiting: parts.recordings.waiting,
    }),
    ps: async () => ({ sandboxes: await sandboxesOf(parts), policyFault: faultOf(parts) }),
    stop: async ({ user, message }) => {
      const { uid, name } = runningSandbox(parts, user) ?? (await findUser(users, user));
      return { user: name, stopped: await engine.stop(uid, message && stopping(message)) };
    },
    message: async ({ user, text }) => {
      const { uid, name } = runningSandbox(parts, user) ?? (await findUser(users, user));
      return { user: name, terminals: await engine.say(uid, `The administrator of this host says: ${text}`) };
    },
    logins: async (params) => ({ logins: loginsOf(parts, params) }),
  };
}

const stopping = (message: string): string =>
  `Your sandbox is being stopped by the administrator of this host: ${message}`;

/** Also where the account that it was started for is gone. */
function runningSandbox({ engine }: AdminParts, user: string): Account | undefined {
  for (const uid of engine.uids()) {
    const name = engine.nameOf(uid) ?? '';
    if (name === user || String(uid) === user) return { uid, name };
  }
  return undefined;
}

async function sandboxesOf({
  engine,
  images,
  networks,
}: AdminParts): Promise<AdminResult<'ps'>['sandboxes']> {
  const [all, { users }] = await Promise.all([engine.list(), networks()]);
  const ports = new Map(users.map(({ uid, published, missing }) => [uid, { published, missing }]));
  return await Promise.all(
    all.map(async (sandbox) => {
      const { image, imageDigest } = sandbox;
      // The virtual image is the host's own files: it is never older than they are.
      const newerImage = !isVirtual(imageDigest) && (await hasMoved(images, image, imageDigest));
      return { ...sandbox, newerImage, ...(ports.get(sandbox.uid) ?? { published: [], missing: [] }) };
    }),
  );
}

/** An image that is damaged is no newer one, and no reason to show nothing. */
async function hasMoved(images: ImageStore, name: string, digest: string): Promise<boolean> {
  try {
    return await images.hasMoved(name, digest);
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_IMAGE_BROKEN') return false;
    throw error;
  }
}

function loginsOf(
  { history }: AdminParts,
  { id, limit = 20, ...filter }: AdminParams<'logins'>,
): AdminResult<'logins'>['logins'] {
  if (id === undefined) return history.list({ limit, ...filter });
  const login = history.find(id);
  if (login !== undefined) return [login];
  throw new DockershError('E_NOT_FOUND', {
    what: `login ${id}`,
    why: 'it is not among the last thousand',
  });
}
