#include "overlay/below.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cleanup.h"
#include "overlay/overlay.h"

static int make_room(struct below *below, size_t count, struct err *err) {
    *below = (struct below){.folders = calloc(count + 1, sizeof(int))};
    return below->folders != NULL ? 0 : err_sys(err, "remember folders", "");
}

void below_clear(struct below *below) {
    for (size_t index = 0; index < below->count; index++)
        close_fd(below->folders[index]);
    free(below->folders);
    *below = (struct below){0};
}

int below_open(const char *const *paths, size_t count, struct below *below, struct err *err) {
    if (make_room(below, count, err) < 0)
        return -1;
    for (size_t index = 0; index < count; index++) {
        int folder = open(paths[index], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0)
            return err_sys(err, "open the folder", paths[index]);
        below->folders[below->count++] = folder;
        if (overlay_is_opaque(folder))
            break;
    }
    return 0;
}

int below_look(const struct below *below, const char *name, struct stat *info, struct err *err) {
    for (size_t index = 0; index < below->count; index++) {
        if (fstatat(below->folders[index], name, info, AT_SYMLINK_NOFOLLOW) == 0)
            return overlay_is_whiteout(info) ? 0 : 1;
        if (errno != ENOENT && errno != ENOTDIR)
            return err_sys(err, "stat below", name);
    }
    return 0;
}

int below_descend(const struct below *below, const char *name, struct below *inner, struct err *err) {
    if (make_room(inner, below->count, err) < 0)
        return -1;
    for (size_t index = 0; index < below->count; index++) {
        int folder = openat(below->folders[index], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0 && errno == ENOENT)
            continue;
        if (folder < 0 && (errno == ENOTDIR || errno == ELOOP))
            return 0; // a file or a whiteout hides what is further down
        if (folder < 0)
            return err_sys(err, "open below", name);
        inner->folders[inner->count++] = folder;
        if (overlay_is_opaque(folder))
            return 0;
    }
    return 0;
}

bool below_has(int folder, const char *name) {
    struct stat info;
    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}
