// Chooses the filters of system calls that a sandbox gets besides the one that the supervisor has, or instead of it.

import type { SandboxSpec } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import { profileFile } from '../../policy/keys/filter.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import { builtinProfiles } from '../../seccomp/builtin.ts';
import { type Machine, machineHere } from '../../seccomp/calls.ts';
import { type CompiledFilter, compileFilter } from '../../seccomp/compile.ts';
import { ProfileFiles } from '../../seccomp/profile-file.ts';

type Wanted = Pick<EffectivePolicy, 'seccomp' | 'seccompWiden' | 'socketcall'>;

export class SystemCalls {
  readonly #machine: Machine = machineHere();
  readonly #files = new ProfileFiles(this.#machine);
  /** Profiles that come with dockersh, compiled when a user first gets one. */
  readonly #compiled = new Map<'strict' | 'noSocketcall', Buffer>();

  /** Throws E_SECCOMP if the file that policy names cannot be read or is not understood. */
  async for({ seccomp, seccompWiden, socketcall }: Wanted): Promise<SandboxSpec['systemCalls']> {
    const filters: Buffer[] = [];
    if (socketcall === 'no') filters.push(this.#builtin('noSocketcall'));
    const file = profileFile(seccomp);
    if (file !== undefined) filters.push(filterOrThrow(file, await this.#files.filterOf(file)));
    else if (seccomp === 'strict') filters.push(this.#builtin('strict'));
    return { filters, alone: file !== undefined && seccompWiden === 'yes' };
  }

  #builtin(name: 'strict' | 'noSocketcall'): Buffer {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const filter = filterOrThrow(name, compileFilter(builtinProfiles[name](), this.#machine));
    this.#compiled.set(name, filter);
    return filter;
  }
}

function filterOrThrow(of: string, compiled: CompiledFilter): Buffer {
  if (compiled.ok) return compiled.filter;
  throw new DockershError('E_SECCOMP', { what: of, why: compiled.problem });
}
