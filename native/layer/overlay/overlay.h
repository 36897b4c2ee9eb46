// The marks by which overlayfs hides files of the layers below, as they are on disk
// (Documentation/filesystems/overlayfs.rst).
#pragma once

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define OVERLAY_OPAQUE "trusted.overlay.opaque"

static inline bool overlay_is_whiteout(const struct stat *info) {
    return S_ISCHR(info->st_mode) && info->st_rdev == makedev(0, 0);
}

static inline bool overlay_is_opaque(int folder) {
    char value[2];
    return fgetxattr(folder, OVERLAY_OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}
