// A cgroup of version 2 for users to divide further, where policy allows nesting:
//
//   u1000-alice/            the sandbox's own; holds its limits on hosts of version 2
//   u1000-alice/inside/     the root that the sandbox sees, given to the user; no process is in it
//   u1000-alice/inside/sessions/   spawner, PID 1 and sessions, which the user can move to others
//   u1000-alice/inside/sessions/kept/   empty
//
// Only what moves processes and makes groups is given away. What holds limits stays root's in `inside` and in
// `sessions`, and the sandbox's own cgroup is above everything that is mounted inside. A file that holds a
// limit belongs to whoever enables its controller in the group above: so cgroup.subtree_control of `inside`
// stays root's as well, with every controller enabled, and nobody sets a limit for where the next session
// begins.
//
// PID 1 makes its cgroup namespace while it is in `inside` and is moved then, for a process sees its own
// cgroup as the root. Moving takes 7 to 20 ms (cgroup.h), which only sandboxes with nesting pay.
#pragma once

#include <sys/types.h>

#include "err.h"
#include "spec.h"

int delegate_make(const struct spec *spec, struct err *err);
// O_PATH descriptors for CLONE_INTO_CGROUP: of `inside` before PID 1 has its namespace, of `sessions` later.
int delegate_open(const struct spec *spec, bool started, struct err *err);
int delegate_attach(const struct spec *spec, bool started, pid_t pid, struct err *err);
// Lets groups in `inside` have limits. For that no process may be in it any more.
int delegate_limits(const struct spec *spec, struct err *err);
// Calls back for the files cgroup.procs below `path`, its own included.
void cgroup_each_process(const char *path, void (*work)(pid_t pid, void *data), void *data);
// Removes it with everything that users have made below.
void cgroup_remove_tree(const char *path);
