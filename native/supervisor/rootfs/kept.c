#include "rootfs/kept.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

// xfs asks its quota for a hundred blocks before it makes a folder, and gives back those it did not need.
enum { KEPT_FILES = 8, KEPT_BYTES = 64 * 1024, ENOUGH_BYTES = 400 * 1024, ENOUGH_INODES = 6 };
// It also takes a moment until inodes that were deleted are free.
enum { TRIES = 100, PAUSE_MS = 5 };

static int open_kept(const char *layer) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/kept", layer);
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Of the user's quota, where the folder belongs to a project.
static bool has_room(int folder) {
    struct statvfs space;
    return fstatvfs(folder, &space) != 0 ||
           (space.f_bavail * space.f_frsize > ENOUGH_BYTES && space.f_ffree > ENOUGH_INODES);
}

void kept_release(const char *layer) {
    cleanup_fd int folder = open_kept(layer);
    if (folder < 0 || has_room(folder))
        return;
    char name[2] = "0";
    for (; name[0] < '0' + KEPT_FILES; name[0]++) {
        cleanup_fd int file = openat(folder, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
        if (file >= 0)
            (void)unlinkat(folder, name, 0);
    }
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    for (int attempt = 0; attempt < TRIES && !has_room(folder); attempt++)
        (void)nanosleep(&pause, NULL);
}

static bool fill(int file) {
    static char bytes[KEPT_BYTES];
    memset(bytes, '-', sizeof bytes);
    return write(file, bytes, sizeof bytes) == sizeof bytes;
}

// What there is no room for is made at another start.
void kept_take(const char *layer) {
    cleanup_fd int folder = open_kept(layer);
    char name[2] = {'0' + KEPT_FILES - 1, '\0'};
    if (folder < 0 || faccessat(folder, name, F_OK, 0) == 0) // the last one is made last
        return;
    for (name[0] = '0'; name[0] < '0' + KEPT_FILES; name[0]++) {
        cleanup_fd int file =
            openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file >= 0 && !fill(file))
            (void)unlinkat(folder, name, 0);
    }
}
