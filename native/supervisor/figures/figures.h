// The files of /proc and /sys that lxcfs serves, in the place of the kernel's own: a sandbox's limits and use
// are in them. They lie on a FUSE file system, which may stop answering at any time. So whoever may wait for
// it is a process that can be lost (watch.c); a supervisor only attaches descriptors that this one has
// opened, and takes them off again. Neither asks lxcfs anything.
#pragma once

#include "spec.h"
#include "wire.h"

// Takes the descriptors that came with a specification, as many as it has names for.
void figures_take(const struct spec *spec, int *fds, unsigned count);

// Attaches them in the mount namespace of `init`. What can't be attached shows the host's numbers.
void figures_attach(const struct spec *spec, int init_pidfd);

// The daemon says which lxcfs there is now (TAG_FIGURES_OF; 0: none): those of another one are taken off.
void figures_are(const struct spec *spec, int init_pidfd, struct wire_reader *reader);

// Looks after lxcfs for the daemon, which is at the other end of the socket: says which one there is, and
// opens its files. `request`: the folder that lxcfs serves, the file with its process's number, the names
// wanted.
_Noreturn void figures_watch(int daemon, struct wire_reader *request);
