// The folders of the host that the image `host` shows (/usr and its like), each through a read-only overlay
// of the sandbox's own. Through a bind mount all sandboxes and the host would have the same inodes: an
// inotify watch would tell what everybody runs, and a lock on a file would be everybody's. The files' pages
// stay shared.
//
// What a name led to when it was looked up last, an overlay remembers, whatever becomes of the folder below.
// So when the host's files have changed the daemon says so, and the overlays are renewed.
#pragma once

#include <stdbool.h>

#include "spec.h"

// Opens the bind's context and tree.
int host_folder_make(const struct spec *spec, struct bind *bind, struct err *err);

// Whether other overlays can take the places of these in the running sandbox. What the supervisor mounts
// before PID 1 makes its mount namespace is locked there for ever; and where the sandbox's own root could
// unmount (root and nesting), or something else is mounted below, it is.
bool host_folders_can_be_replaced(const struct spec *spec);

// If so: attaches them in the mount namespace of `init`, in which nobody runs anything yet.
int host_folders_attach(struct spec *spec, int init_pidfd, struct err *err);

// Shows the host's folders as they are now.
void host_folders_renew(struct spec *spec, int init_pidfd);
