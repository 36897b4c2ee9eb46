// Folders of the host that root's policy shows to a sandbox.
#pragma once

#include "err.h"
#include "spec.h"

// Attaches each below `root`, an open descriptor of the sandbox's tree.
int mounts_add(const struct spec *spec, int root, struct err *err);
