// The sandbox's /dev/pts. The supervisor makes it, and makes it before it has a mount namespace of its own:
// the kernel keeps the last terminals of the machine (kernel.pty.reserve) for file systems that were mounted
// in the first mount namespace. A user who nests mounts a devpts of their own and takes all others; the
// terminals of other sandboxes, logins among them, then come out of these.
//
// Older kernels (6.12, not 6.18) take no group above INT_MAX for it, as the groups of a sandbox are outside:
// there PID 1 mounts it, and no terminal comes out of the reserve.
#pragma once

#include "err.h"
#include "spec.h"

// A descriptor of the file system, which is mounted nowhere yet; CLOSED_FD where PID 1 has to make it; -1
// with `err`.
int devpts_make(struct err *err);
// Mounts it, where there is one, in the sandbox whose root file system is being built.
int devpts_attach(int devpts, const struct spec *spec, int root, struct err *err);
// Of PID 1: makes it and mounts it where nobody has.
int devpts_complete(int root, struct err *err);
