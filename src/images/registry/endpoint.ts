// Finds a registry's API, https://HOST[:PORT]/v2/. Without TLS only where that is allowed, and only after TLS has
// been tried: a port that speaks TLS is never spoken to in the clear.

import { dockerHub } from '../../lib/text/image-name.ts';
import { RegistryError } from './failure.ts';
import type { Agents } from './http/agents.ts';
import { type Answer, exchange } from './http/exchange.ts';
import { mayBePlain } from './http/hosts.ts';
import { withRetries } from './http/retry.ts';
import { tunnelCode } from './http/tunnel.ts';
import type { RegistryOptions } from './options.ts';

/** The name of Docker Hub in images is not the name of its registry. */
const dockerHubHost = 'registry-1.docker.io';

export interface FoundOrigin {
  readonly origin: URL;
  /** To GET /v2/; whatever its status, something speaks HTTP there. */
  readonly answer: Answer;
}

export interface EndpointContext {
  readonly agents: Agents;
  readonly options: RegistryOptions;
  readonly signal: AbortSignal | undefined;
}

export async function findOrigin(registry: string, context: EndpointContext): Promise<FoundOrigin> {
  const host = registry === dockerHub ? dockerHubHost : registry;
  const secure = URL.parse(`https://${host}/`);
  const plain = URL.parse(`http://${host}/`);
  if (secure === null || plain === null) {
    throw new RegistryError('refused', { what: `registry '${registry}'`, why: 'it is no host' });
  }
  const { agents, options } = context;
  const plainAllowed = mayBePlain(plain, options.plainHttpHosts) && !(await agents.hasCertificates(secure));
  try {
    return await ask(secure, context, plainAllowed);
  } catch (error) {
    if (!speaksNoTls(error)) throw error;
    if (!plainAllowed) throw isNoTls(error) ? unencrypted(secure, error) : error;
    return await ask(plain, context, false);
  }
}

async function ask(
  origin: URL,
  { agents, options, signal }: EndpointContext,
  hasOtherWay: boolean,
): Promise<FoundOrigin> {
  const agent = await agents.for(origin);
  const answer = await withRetries(options.limits, signal, async () => {
    const request = { method: 'GET' as const, url: new URL('/v2/', origin), signal };
    try {
      return await exchange(agent, options.limits, request);
    } catch (error) {
      throw isFinal(error, hasOtherWay) ? new Final(error) : error;
    }
  }).catch((error: unknown) => {
    throw error instanceof Final ? error.cause : error;
  });
  return { origin, answer };
}

/** Carries a failure past the retries: the port will not learn TLS, nobody will begin to listen. */
class Final extends Error {
  constructor(cause: unknown) {
    super('final', { cause });
  }
}

/** A connection that breaks is worth another attempt where there is no other way to try. */
function isFinal(error: unknown, hasOtherWay: boolean): boolean {
  return speaksNoTls(error) && (hasOtherWay || causeCode(error) !== 'ECONNRESET');
}

/** OpenSSL's word for an answer that is not TLS. */
function isNoTls(error: unknown): boolean {
  return (
    /^(EPROTO|ERR_SSL_.*)$/.test(causeCode(error) ?? '') &&
    /wrong version number|packet length too long|http request/i.test(causeText(error))
  );
}

/** No TLS there, or nothing at all (also in the words of a proxy), or it hung up at the first message. */
function speaksNoTls(error: unknown): boolean {
  return isNoTls(error) || ['ECONNREFUSED', 'ECONNRESET', tunnelCode].includes(causeCode(error) ?? '');
}

function causeCode(error: unknown): string | undefined {
  const cause = error instanceof RegistryError ? error.cause : undefined;
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}

function causeText(error: unknown): string {
  return error instanceof RegistryError && error.cause instanceof Error ? error.cause.message : '';
}

function unencrypted(origin: URL, cause: unknown): RegistryError {
  return new RegistryError('refused', {
    what: `registry ${origin.host}`,
    why: 'it speaks no TLS',
    hint: 'Where that is wanted, policy has to list the host as one for plain HTTP.',
    cause,
  });
}
