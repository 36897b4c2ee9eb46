// Gives a tree to a project, so that the project's quota counts what is in it.
#pragma once

#include <stdint.h>

#include "err.h"

// With id 0 the tree belongs to no project any more. `place` holds PATH_MAX bytes and says where it failed.
int project_mark(const char *path, uint32_t id, char *place, struct err *err);
