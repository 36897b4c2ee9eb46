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
