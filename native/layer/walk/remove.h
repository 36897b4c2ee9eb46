// Removes a folder with all that is in it, however deep: users make folders deeper than any path is long.
#pragma once

#include "err.h"

// Removes `name` of `parent`; never follows a link. What is not there counts as removed. Also what
// `dockersh-layer remove` does.
int tree_remove_all(int parent, const char *name, struct err *err);
