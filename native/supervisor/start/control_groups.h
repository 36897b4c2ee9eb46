// Shows the sandbox its own control groups at /sys/fs/cgroup: what programs read their limits from.
#pragma once

#include "err.h"
#include "spec.h"

// Called while the host's paths of them can be read still: before there is a namespace of them.
void control_groups_note(const struct spec *spec);
// Called by the sandbox's PID 1 while it builds. Read-only, but for what is delegated to the user
// (delegate.h).
int control_groups_mount(const struct spec *spec, int root, struct err *err);
