// The sandbox's /dev/pts. The supervisor makes it, and makes it before it has a mount namespace of its own:
// the kernel keeps the last terminals of the machine (kernel.pty.reserve) for file systems that were mounted
// in the first mount namespace. A user who nests mounts a devpts of their own and takes all others; the
// terminals of other sandboxes, logins among them, then come out of these.
#pragma once

#include "err.h"
#include "spec.h"

// A descriptor of the file system, which is mounted nowhere yet.
int devpts_make(struct err *err);
// Mounts it in the sandbox whose root file system is being built.
int devpts_attach(int devpts, const struct spec *spec, int root, struct err *err);
