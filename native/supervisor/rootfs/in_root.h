// Opens and mounts below the root of a tree that somebody else has filled, without ever leaving it.
#pragma once

#include <stdbool.h>

#include "err.h"

// Opens a folder of the tree without ever leaving it, whatever symbolic links the image or the user
// put there (openat2 RESOLVE_IN_ROOT). Returns a descriptor, or -1 with `err`.
int open_in_root(int root, const char *path, struct err *err);
// mount(2) on a folder that was opened that way.
int mount_in_root(int root, const char *path, const char *type, unsigned long flags, const char *options,
                  struct err *err);
// A detached copy of a folder's mounts, nosuid and nodev. `userns` < 0: all below it, ids as they are.
// `code`: the failure that it is where there is no such folder.
int clone_tree(const char *source, bool writable, int userns, enum failure code, struct err *err);
// Does `work` in the sandbox's mount namespace, where "/" is the sandbox's. Nobody inside can mount there
// without nesting, see this process, or put something else in the way: what is mounted on can't be renamed.
int do_in_mounts(int init_pidfd, int (*work)(void *subject, struct err *err), void *subject, struct err *err);
