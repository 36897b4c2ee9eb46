// Requests to one registry, for one pull or push: authentication, redirects and retries in one place, so
// that nothing above need think of them.

import { Authorizer } from './auth/authorizer.ts';
import { findCredential } from './auth/docker-config.ts';
import { fetchToken } from './auth/token.ts';
import { findOrigin } from './endpoint.ts';
import { RegistryError } from './failure.ts';
import { Agents } from './http/agents.ts';
import { type Answer, type ExchangeRequest, exchange } from './http/exchange.ts';
import { followLocation, isRedirect } from './http/redirect.ts';
import { withRetries } from './http/retry.ts';
import { failUnless } from './http/status.ts';
import type { RegistryLimits } from './limits.ts';
import type { RegistryOptions } from './options.ts';
import type { RemoteName } from './remote-name.ts';

export interface ApiRequest extends Omit<ExchangeRequest, 'url'> {
  /** A path below the registry's origin, or an address that the registry has named. */
  readonly target: string | URL;
  /** What a token must allow: "repository:lab/base:pull". */
  readonly scopes: readonly string[];
  /** Answers with another status are failures. */
  readonly accept: readonly number[];
}

/** How often one request may be answered with 401: not logged in yet, and a token that has expired. */
const mostChallenges = 2;

export class RegistryClient implements Disposable {
  readonly #options: RegistryOptions;
  readonly #agents: Agents;
  readonly #authorizer: Authorizer;
  readonly #signal: AbortSignal | undefined;
  /** "https://registry.example:5000". */
  readonly origin: URL;

  private constructor(origin: URL, name: RemoteName, agents: Agents, context: ConnectContext) {
    const { options, signal } = context;
    this.#options = options;
    this.#agents = agents;
    this.#signal = signal;
    this.origin = origin;
    this.#authorizer = new Authorizer({
      origin,
      credential: () => findCredential(name, options, signal),
      fetchToken: (realm, scopes, credential) =>
        fetchToken(realm, scopes, credential, { agents, limits: options.limits, signal }),
    });
  }

  /**
   * Finds out how the registry is reached. `signal` ends everything that this client does. Throws an
   * unreachable RegistryError where nothing answers.
   */
  static async connect(
    name: RemoteName,
    options: RegistryOptions,
    signal?: AbortSignal,
  ): Promise<RegistryClient> {
    using stack = new DisposableStack();
    const agents = stack.use(new Agents(options));
    const { origin, answer } = await findOrigin(name.registry, { agents, options, signal });
    const client = new RegistryClient(origin, name, agents, { options, signal });
    if (answer.status === 401) await client.#learnEarly(answer);
    answer.discard();
    stack.move();
    return client;
  }

  get limits(): RegistryLimits {
    return this.#options.limits;
  }

  /** Sends a request until it is answered with one of `accept`, or has failed for good. */
  call(request: ApiRequest): Promise<Answer> {
    return withRetries(this.limits, request.signal ?? this.#signal, () => this.once(request));
  }

  /** As call(), but a failure that may pass is the caller's to try again. */
  async once(request: ApiRequest): Promise<Answer> {
    let url = this.#urlOf(request.target);
    let redirects = 0;
    let challenges = 0;
    for (;;) {
      const own = url.origin === this.origin.origin;
      const authorization = own ? await this.#authorizer.header(request.scopes) : undefined;
      const answer = await this.#send(request, url, authorization);
      if (answer.status === 401 && own && challenges < mostChallenges) {
        challenges += 1;
        answer.discard();
        await this.#authorizer.learn(answer, request.scopes, authorization);
      } else if (isRedirect(answer.status) && isReading(request)) {
        redirects += 1;
        answer.discard();
        if (redirects > this.limits.redirects) throw tooManyRedirects(answer, this.limits);
        url = this.follow(answer);
      } else {
        await failUnless(answer, request.accept, this.limits);
        return answer;
      }
    }
  }

  /** Where the Location of an answer leads, if we go there. */
  follow(answer: Answer): URL {
    return followLocation(answer.headers.location, answer.url, this.#options.plainHttpHosts);
  }

  /** What a first, empty request tells about logging in; a registry may yet let some things be read without. */
  async #learnEarly(answer: Answer): Promise<void> {
    try {
      await this.#authorizer.learn(answer, [], undefined);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.fault !== 'denied') throw error;
    }
  }

  #urlOf(target: string | URL): URL {
    return typeof target === 'string' ? new URL(target, this.origin) : target;
  }

  async #send(request: ApiRequest, url: URL, authorization: string | undefined): Promise<Answer> {
    const { method, body, headers, signal = this.#signal } = request;
    const agent = await this.#agents.for(url);
    const all = authorization === undefined ? headers : { ...headers, authorization };
    return exchange(agent, this.limits, { method, url, body, headers: all, signal });
  }

  [Symbol.dispose](): void {
    this.#agents[Symbol.dispose]();
  }
}

interface ConnectContext {
  readonly options: RegistryOptions;
  readonly signal: AbortSignal | undefined;
}

function isReading({ method }: ApiRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

function tooManyRedirects(answer: Answer, limits: RegistryLimits): RegistryError {
  const why = `more than ${limits.redirects} redirects, one after the other`;
  return new RegistryError('answer', { what: answer.what, why });
}
