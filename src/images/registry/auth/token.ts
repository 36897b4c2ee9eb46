// Asks a token server for a token (distribution specification, token authentication; OAuth2 where all there
// is is an identity token). One request, no redirects: they could lead credentials to another host.

import * as z from 'zod';
import { parseBoundedJson } from '../../../lib/bounded-json.ts';
import { RegistryError } from '../failure.ts';
import type { Agents } from '../http/agents.ts';
import { type Answer, exchange } from '../http/exchange.ts';
import { withRetries } from '../http/retry.ts';
import { bodyFromBytes } from '../http/send-body.ts';
import { failUnless } from '../http/status.ts';
import type { RegistryLimits } from '../limits.ts';
import { basicHeader, type Credential } from './credential.ts';
import type { Realm } from './realm.ts';

export interface Token {
  /** The value of an Authorization header. */
  readonly header: string;
  /** Date.now() from which on it is not to be used any more. */
  readonly expiresAt: number;
}

const tokenAnswer = z.looseObject({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});

/** The specification's default where an answer does not say; ahead of time, for clocks and slow requests. */
const defaultSeconds = 60;
const marginSeconds = 5;

export interface TokenContext {
  readonly agents: Agents;
  readonly limits: RegistryLimits;
  readonly signal: AbortSignal | undefined;
}

/** Throws a denied RegistryError where the server does not give one. */
export async function fetchToken(
  realm: Realm,
  scopes: readonly string[],
  credential: Credential | undefined,
  { agents, limits, signal }: TokenContext,
): Promise<Token> {
  const usable = realm.confidential ? credential : undefined;
  const agent = await agents.for(realm.url);
  return withRetries(limits, signal, async () => {
    const deadline = AbortSignal.timeout(limits.credentialMs);
    const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    try {
      const answer = await exchange(agent, limits, { ...request(realm, scopes, usable), signal: both });
      return await readToken(answer, limits);
    } catch (error) {
      signal?.throwIfAborted();
      if (!deadline.aborted) throw error;
      const why = `no token within ${limits.credentialMs / 1000} s`;
      throw new RegistryError('unreachable', { what: `GET ${realm.url.origin}`, why, transient: true });
    }
  });
}

function request(realm: Realm, scopes: readonly string[], credential: Credential | undefined) {
  if (credential?.kind === 'identity') return oauthRequest(realm, scopes, credential.token);
  const url = new URL(realm.url);
  if (realm.service !== undefined) url.searchParams.set('service', realm.service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const authorization = basicHeader(credential);
  if (credential === undefined || authorization === undefined) return { method: 'GET' as const, url };
  url.searchParams.set('account', credential.username);
  return { method: 'GET' as const, url, headers: { authorization } };
}

function oauthRequest(realm: Realm, scopes: readonly string[], refreshToken: string) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: 'dockersh',
    scope: scopes.join(' '),
    ...(realm.service === undefined ? {} : { service: realm.service }),
  });
  return {
    method: 'POST' as const,
    url: realm.url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: bodyFromBytes(Buffer.from(form.toString())),
  };
}

async function readToken(answer: Answer, limits: RegistryLimits): Promise<Token> {
  await failUnless(answer, [200], limits);
  const bytes = await answer.bytes(limits.answerBytes);
  const wrong = (why: string): RegistryError => new RegistryError('answer', { what: answer.what, why });
  let value: unknown;
  try {
    value = parseBoundedJson(bytes);
  } catch {
    throw wrong('the answer is not JSON'); // without the cause, which would quote a token
  }
  const parsed = tokenAnswer.safeParse(value);
  const token = parsed.data?.token || parsed.data?.access_token;
  if (token === undefined || token === '') throw wrong('there is no token in the answer');
  if (!/^[\x21-\x7e]+$/.test(token)) throw wrong('the token has characters that no header may have');
  const seconds = Math.max(parsed.data?.expires_in ?? defaultSeconds, defaultSeconds);
  return { header: `Bearer ${token}`, expiresAt: Date.now() + (seconds - marginSeconds) * 1000 };
}
