#include "overlay/deep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "overlay/overlay.h"
#include "walk/names.h"

enum {
    HANDLE_BYTES = 128, // MAX_HANDLE_SZ
    // A level takes 150 bytes here, and a folder of the user's on the disk.
    MOST_LEVELS = 500000,
};

// A folder on the way down. It is not kept open, or depth would be a matter of descriptors: its handle leads
// back to it wherever it has been moved to meanwhile, which ".." would not.
struct level {
    struct file_handle *handle; // NULL where the file system has none
    int fd;                     // then
    struct names folders;       // in it
    size_t at;
};

struct walk {
    int mount; // borrowed: on the file system of all of it
    const char *prefix;
    uint64_t between;
    struct deep_result *result;
    struct level *levels;
    size_t count, room;
};

static bool vanished(void) {
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ESTALE;
}

static void clear_level(struct level *level) {
    names_clear(&level->folders);
    free(level->handle);
    close_fd(level->fd);
}

static int remember_folder(struct level *level, int folder, struct err *err) {
    struct file_handle *handle = malloc(sizeof *handle + HANDLE_BYTES);
    int mount_id;
    if (handle == NULL)
        return err_sys(err, "remember a folder", "");
    handle->handle_bytes = HANDLE_BYTES;
    if (name_to_handle_at(folder, "", handle, &mount_id, AT_EMPTY_PATH) == 0) {
        struct file_handle *shorter = realloc(handle, sizeof *handle + handle->handle_bytes);
        level->handle = shorter != NULL ? shorter : handle;
        return 0;
    }
    free(handle);
    level->fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    return level->fd >= 0 ? 0 : err_sys(err, "remember a folder", "");
}

static int open_level(const struct walk *walk, const struct level *level) {
    if (level->handle == NULL)
        return fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
    return open_by_handle_at(walk->mount, level->handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Tells what is in the folder, and keeps the names of the folders among it.
static int tell_names(struct walk *walk, int folder, struct names *names, struct err *err) {
    size_t kept = 0;
    int failed = 0;
    for (size_t index = 0; index < names->count; index++) {
        char *name = names->names[index];
        struct stat info;
        bool there = failed == 0 && fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
        if (failed == 0 && !there && !vanished())
            failed = err_sys(err, "stat", name);
        bool told = there && !overlay_is_whiteout(&info);
        if (told && (printf("A %s//[%" PRIu64 " folders]//%s", walk->prefix,
                            walk->between + (uint64_t)walk->count, name) < 0 ||
                     putchar('\0') < 0))
            failed = err_sys(err, "write the changes", "");
        walk->result->entries += told ? 1 : 0;
        if (told && S_ISDIR(info.st_mode))
            names->names[kept++] = name;
        else
            free(name);
    }
    names->count = kept;
    return failed;
}

static int enter(struct walk *walk, int folder, struct err *err) {
    if (walk->count == walk->room) {
        size_t room = walk->room == 0 ? 64 : walk->room * 2;
        struct level *grown = reallocarray(walk->levels, room, sizeof *grown);
        if (grown == NULL)
            return err_sys(err, "remember folders", "");
        walk->levels = grown;
        walk->room = room;
    }
    struct level level = {.fd = CLOSED_FD};
    if (names_read(folder, &level.folders, err) < 0)
        return -1;
    if (tell_names(walk, folder, &level.folders, err) < 0 || remember_folder(&level, folder, err) < 0) {
        clear_level(&level);
        return -1;
    }
    walk->levels[walk->count++] = level;
    return 0;
}

// Goes on with the next folder of the innermost level, or leaves that level.
static int step(struct walk *walk, struct err *err) {
    struct level *level = &walk->levels[walk->count - 1];
    if (level->at == level->folders.count) {
        clear_level(level);
        walk->count--;
        return 0;
    }
    const char *name = level->folders.names[level->at++];
    if (walk->count == MOST_LEVELS) {
        walk->result->unseen++;
        return 0;
    }
    cleanup_fd int parent = open_level(walk, level);
    cleanup_fd int folder =
        parent < 0 ? CLOSED_FD : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return vanished() ? 0 : err_sys(err, "open the folder", name);
    return enter(walk, folder, err);
}

int deep_list(int folder, const char *prefix, uint64_t between, struct deep_result *result, struct err *err) {
    struct walk walk = {.mount = folder, .prefix = prefix, .between = between, .result = result};
    int failed = enter(&walk, folder, err);
    while (failed == 0 && walk.count > 0)
        failed = step(&walk, err);
    while (walk.count > 0)
        clear_level(&walk.levels[--walk.count]);
    free(walk.levels);
    return failed;
}
