// Makes a tree a project's: so that its quota counts what is in it.
#pragma once

#include <stdint.h>

#include "err.h"

// With id 0 the tree belongs to no project any more. `place` holds PATH_MAX bytes and says where it failed.
int project_mark(const char *path, uint32_t id, char *place, struct err *err);
