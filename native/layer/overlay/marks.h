// Marks that unpacking leaves in a layer for chain.h, beside those that overlayfs reads. No capability of a
// sandbox shows or sets trusted attributes (xattr(7)).
#pragma once

#include <stdbool.h>
#include <sys/xattr.h>

// A folder that no entry of its layer speaks of: it is there because something lies in it, and what a layer
// below says of it holds.
#define IMPLIED_FOLDER "trusted.dockersh.implied"
// The root of a layer that has whiteouts.
#define HAS_WHITEOUTS "trusted.dockersh.whiteouts"

static inline bool is_marked(int folder, const char *mark) {
    char value[2];
    return fgetxattr(folder, mark, value, sizeof value) == 1;
}
