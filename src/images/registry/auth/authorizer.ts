// The Authorization header of requests to one registry: nothing, basic, or a bearer token for the scopes of
// the request. What a registry wants is learned from its first 401 and remembered for the others.

import { RegistryError } from '../failure.ts';
import type { Answer } from '../http/exchange.ts';
import { findChallenge, parseChallenges } from './challenge.ts';
import { basicHeader, type Credential } from './credential.ts';
import { checkRealm, isConfidential, type Realm } from './realm.ts';
import type { Token } from './token.ts';

type Scheme =
  | { readonly kind: 'basic'; readonly header: string }
  | { readonly kind: 'bearer'; readonly realm: Realm };

export interface AuthorizerParts {
  /** Of the registry. */
  readonly origin: URL;
  /** Looked up when a registry asks for the first time: most pulls need none. */
  readonly credential: () => Promise<Credential | undefined>;
  readonly fetchToken: (
    realm: Realm,
    scopes: readonly string[],
    credential: Credential | undefined,
  ) => Promise<Token>;
}

export class Authorizer {
  readonly #parts: AuthorizerParts;
  readonly #tokens = new Map<string, Promise<Token>>();
  #credential: Promise<Credential | undefined> | undefined;
  #scheme: Scheme | undefined;

  constructor(parts: AuthorizerParts) {
    this.#parts = parts;
  }

  /**
   * What to send with a request that needs these scopes. Always our own scopes, never those that a challenge
   * names: a registry must not get a token for more than the image at hand.
   */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#scheme === undefined) return undefined;
    if (this.#scheme.kind === 'basic') return this.#scheme.header;
    return (await this.#token(this.#scheme.realm, scopes)).header;
  }

  /**
   * Learns from a 401 to a request that was sent with `sent`. Settles when the request is worth sending
   * again; throws a denied RegistryError when it is not.
   */
  async learn(answer: Answer, scopes: readonly string[], sent: string | undefined): Promise<void> {
    const challenges = parseChallenges(answer.headers['www-authenticate']);
    const bearer = findChallenge(challenges, 'bearer');
    if (bearer !== undefined) {
      const { origin } = this.#parts;
      const realm = checkRealm(bearer.parameters.get('realm'), bearer.parameters.get('service'), origin);
      this.#scheme = { kind: 'bearer', realm };
      // A token that was refused has expired, or was for less.
      if (sent !== undefined) this.#tokens.delete(keyOf(realm, scopes));
      return;
    }
    const basic = findChallenge(challenges, 'basic');
    if (basic === undefined) throw this.#denied(answer, 'it names no way to log in that is known here');
    const header = basicHeader(await this.#loadCredential());
    if (header === undefined) throw this.#denied(answer, 'a login is needed');
    if (!isConfidential(this.#parts.origin)) {
      throw this.#denied(answer, 'it asks for a password, and the connection is not encrypted');
    }
    if (sent === header) throw this.#denied(answer, 'it does not accept the name and password');
    this.#scheme = { kind: 'basic', header };
  }

  #token(realm: Realm, scopes: readonly string[]): Promise<Token> {
    const key = keyOf(realm, scopes);
    const known = this.#tokens.get(key);
    if (known === undefined) return this.#fetch(key, realm, scopes);
    return known.then((token) => {
      if (token.expiresAt > Date.now()) return token;
      // Whoever notices first fetches; the others find its promise.
      return this.#tokens.get(key) === known ? this.#fetch(key, realm, scopes) : this.#token(realm, scopes);
    });
  }

  #fetch(key: string, realm: Realm, scopes: readonly string[]): Promise<Token> {
    const fetched = this.#loadCredential().then((credential) =>
      this.#parts.fetchToken(realm, scopes, credential),
    );
    this.#tokens.set(key, fetched);
    fetched.catch(() => {
      if (this.#tokens.get(key) === fetched) this.#tokens.delete(key);
    });
    return fetched;
  }

  #loadCredential(): Promise<Credential | undefined> {
    this.#credential ??= this.#parts.credential();
    return this.#credential;
  }

  #denied(answer: Answer, why: string): RegistryError {
    return new RegistryError('denied', { what: answer.what, why: `the registry answers 401: ${why}` });
  }
}

function keyOf(realm: Realm, scopes: readonly string[]): string {
  return [realm.url.href, realm.service ?? '', ...scopes].join('\n');
}
