// The profiles that come with dockersh. default and nesting are compiled into the supervisor when it is built
// (script/gen-seccomp.ts), strict is compiled here when policy first asks for it. Pure.

import type { Profiles } from './compile.ts';
import { Profile } from './profile.ts';
import defaultText from './profiles/default.json' with { type: 'json' };
import nestingText from './profiles/nesting.json' with { type: 'json' };
import strictText from './profiles/strict.json' with { type: 'json' };

const socketFamilies = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_ARM'],
  // socket(2) and socketpair(2): the first argument of socketcall(2) says which call it is.
  syscalls: [1, 8].map((value) => ({
    names: ['socketcall'],
    action: 'SCMP_ACT_ERRNO',
    errnoRet: 97,
    args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
  })),
};

export const builtinProfiles = {
  default: () => Profile.parse(defaultText),
  /** With `nesting = yes`, before the default one. */
  nesting: () => Profile.parse(nestingText),
  /** Beside the default one. */
  strict: () => Profile.parse(strictText),
  /** Beside the others, with `socketcall = no`. */
  noSocketcall: () => Profile.parse(socketFamilies),
};

/** Of the two that the supervisor has. */
export const baseProfiles: Readonly<Record<'default' | 'nesting', () => Profiles>> = {
  default: () => [builtinProfiles.default()],
  nesting: () => [builtinProfiles.nesting(), builtinProfiles.default()],
};
