// The sandbox's root filesystem, put together by the supervisor with the host's privileges and in
// its own mount namespace: idmapped read-only layers under an overlay, /dev, and binds. What needs
// the sandbox's own namespaces (proc, sysfs, tmpfs) is mounted by PID 1: inside.c.
#pragma once

#include "err.h"
#include "spec.h"

// Builds the tree at <mountpoint>/r. `userns` is a descriptor of the sandbox's user namespace,
// `devpts` of its terminals.
int rootfs_build(struct spec *spec, int userns, int devpts, struct err *err);
// Takes the supervisor's own view of it away again; the sandbox keeps its own.
void rootfs_detach(const struct spec *spec);

// Opens a folder of the tree without ever leaving it, whatever symbolic links the image or the user
// put there (openat2 RESOLVE_IN_ROOT). Returns a descriptor, or -1 with `err`.
int open_in_root(int root, const char *path, struct err *err);
// mount(2) on a folder that was opened that way.
int mount_in_root(int root, const char *path, const char *type, unsigned long flags, const char *options,
                  struct err *err);
// A detached copy of a folder's mounts, nosuid and nodev. `userns` < 0: all below it, ids as they are.
// `code`: the failure that it is where there is no such folder.
int clone_tree(const char *source, bool writable, int userns, enum failure code, struct err *err);
