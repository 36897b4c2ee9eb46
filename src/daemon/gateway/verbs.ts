// The admin verbs about the gateway: how it is doing, and who is there by it.

import { DockershError } from '../../lib/errors.ts';
import type { AdminGatewaySession, gatewayVerbs } from '../../protocol/admin-gateway.ts';
import type { AdminParts, Handlers } from '../admin/parts.ts';
import { gatewayStatus } from './status.ts';

export function gatewayHandlers({ engine, paths }: AdminParts): Handlers<keyof typeof gatewayVerbs> {
  const sessions = async (): Promise<AdminGatewaySession[]> =>
    (await engine.list()).flatMap(({ uid, user, connections }) =>
      connections.filter(({ entry }) => entry !== 'sshd').map((connection) => ({ ...connection, uid, user })),
    );
  return {
    'gateway.status': async () => ({
      gateway: await gatewayStatus(paths.run),
      connections: (await sessions()).length,
    }),
    'gateway.sessions': async ({ user }) => ({
      sessions: (await sessions()).filter((one) => user === undefined || isOf(one, user)),
    }),
    'gateway.kick': async ({ user, id }) => {
      const meant = (one: AdminGatewaySession): boolean =>
        (user !== undefined && isOf(one, user)) || one.id === id;
      const ended = (await sessions()).filter(meant);
      if (ended.length === 0)
        throw new DockershError('E_NOT_FOUND', {
          what: id === undefined ? `a connection of ${user ?? 'nobody'}` : `connection ${id}`,
          why: 'no such connection is there by the gateway',
        });
      for (const one of ended) engine.kept.disconnect(one.uid, one.id);
      return { ended };
    },
  };
}

const isOf = ({ user, uid }: AdminGatewaySession, whom: string): boolean =>
  user === whom || String(uid) === whom;
