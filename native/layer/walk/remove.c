#include "walk/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"

// Levels that are gone down; what is deeper is moved up to the first folder and removed from there.
enum { MOST_LEVELS = 100 };

struct removal {
    int top; // borrowed
    unsigned long moved;
};

static int remove_at(struct removal *removal, int parent, const char *name, unsigned level, struct err *err);

static int move_up(struct removal *removal, int folder, const char *name, struct err *err) {
    for (;;) {
        char free_name[40];
        (void)snprintf(free_name, sizeof free_name, ".dockersh-removed-%lu", removal->moved++);
        if (renameat(folder, name, removal->top, free_name) == 0)
            return 0;
        // A user's own file of this name, or a folder that is not empty: try the next one.
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
            return err_sys(err, "move up a folder", name);
    }
}

// Takes `folder_fd`.
static int empty_folder(struct removal *removal, int folder_fd, unsigned level, struct err *err) {
    DIR *folder = fdopendir(folder_fd);
    if (folder == NULL) {
        close_fd(folder_fd);
        return err_sys(err, "read a folder", "");
    }
    if (level == 0)
        removal->top = dirfd(folder);
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
            continue;
        bool is_folder = entry->d_type == DT_DIR;
        if (!is_folder && unlinkat(dirfd(folder), name, 0) < 0) {
            is_folder = errno == EISDIR;
            if (!is_folder && errno != ENOENT)
                result = err_sys(err, "remove", name);
        }
        if (is_folder)
            result = level < MOST_LEVELS ? remove_at(removal, dirfd(folder), name, level + 1, err)
                                         : move_up(removal, dirfd(folder), name, err);
    }
    if (result == 0 && errno != 0)
        result = err_sys(err, "read a folder", "");
    (void)closedir(folder);
    return result;
}

static int remove_at(struct removal *removal, int parent, const char *name, unsigned level, struct err *err) {
    // Some file systems skip entries of a folder that shrinks while it is read, and folders are moved up
    // into the first one meanwhile: look again as long as something is left.
    for (unsigned long round = 0;; round++) {
        unsigned long moved = removal->moved;
        int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0 && (errno == ENOTDIR || errno == ELOOP))
            return unlinkat(parent, name, 0) == 0 || errno == ENOENT ? 0 : err_sys(err, "remove", name);
        if (folder < 0)
            return errno == ENOENT ? 0 : err_sys(err, "open the folder", name);
        if (empty_folder(removal, folder, level, err) < 0)
            return -1;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY || (round >= 3 && moved == removal->moved))
            return err_sys(err, "remove the folder", name);
    }
}

int tree_remove_all(int parent, const char *name, struct err *err) {
    struct removal removal = {.top = CLOSED_FD};
    return remove_at(&removal, parent, name, 0, err);
}
