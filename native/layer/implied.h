// A folder that no entry of its layer speaks of: it is there because something lies in it, and what a layer
// below says of it holds (chain.h). Marked when the layer is unpacked. No capability of a sandbox shows or
// sets trusted attributes (xattr(7)).
#pragma once

#include <stdbool.h>
#include <sys/xattr.h>

#define IMPLIED_FOLDER "trusted.dockersh.implied"

static inline bool implied_folder(int folder) {
    char value[2];
    return fgetxattr(folder, IMPLIED_FOLDER, value, sizeof value) == 1;
}
