// Has a request done by its verb's handler: listed while it is under way, with who asks for it known to all that it sets off.

import type { ByWhom } from '../../isolation/engine.ts';
import {
  type AdminPart,
  type AdminProgress,
  type AdminRequest,
  type AdminVerb,
  adminVerbs,
} from '../../protocol/admin.ts';
import { askedByWhom } from './asked-by.ts';
import { type Operations, typed, type Work } from './operations.ts';
import type { Call, Handlers } from './parts.ts';

export interface Performing {
  /** Aborted when whoever asks has gone. */
  readonly gone?: AbortSignal;
  readonly progress?: (progress: AdminProgress) => void;
  readonly part?: (part: AdminPart<AdminVerb>) => Promise<void>;
  /** Hears of the number of a long operation. */
  readonly begun?: (id: number) => void;
  /** Default: the administrator that the request names. */
  readonly byWhom?: ByWhom;
}

const never = new AbortController().signal;
const nowhere = async (): Promise<void> => {};

export async function perform(
  { handlers, operations }: { readonly handlers: Handlers; readonly operations: Operations },
  request: AdminRequest,
  { gone = never, progress = () => {}, part = nowhere, begun, byWhom }: Performing,
): Promise<unknown> {
  const { by, verb } = request;
  return await askedByWhom(byWhom ?? { by, verb: typed(verb) }, async () => {
    const work = async ({ signal, heard }: Work): Promise<unknown> => {
      const told = (step: AdminProgress): void => {
        heard(step);
        progress(step);
      };
      return await dispatch(handlers, request, { progress: told, part, signal });
    };
    return await operations.run(request, gone, work, begun);
  });
}

/** Runs the handler and checks what it returns: a result that does not fit is our fault, not the client's. */
async function dispatch(handlers: Handlers, request: AdminRequest, call: Call): Promise<unknown> {
  const handler = handlers[request.verb] as (params: AdminRequest['params'], call: Call) => Promise<unknown>;
  return adminVerbs[request.verb].result.parse(await handler(request.params, call));
}
