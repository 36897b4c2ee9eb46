#include "kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

enum { KEPT_FILES = 8, KEPT_BYTES = 4096 };

static int open_kept(const char *layer) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/kept", layer);
    return open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void kept_release(const char *layer) {
    cleanup_fd int folder = open_kept(layer);
    char name[2] = "0";
    for (; folder >= 0 && name[0] < '0' + KEPT_FILES; name[0]++)
        (void)unlinkat(folder, name, 0);
}

// What there is no room for is made at another start.
void kept_take(const char *layer) {
    static char bytes[KEPT_BYTES];
    cleanup_fd int folder = open_kept(layer);
    memset(bytes, '-', sizeof bytes);
    char name[2] = "0";
    for (; folder >= 0 && name[0] < '0' + KEPT_FILES; name[0]++) {
        cleanup_fd int file =
            openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file >= 0 && write(file, bytes, sizeof bytes) < 0)
            (void)unlinkat(folder, name, 0);
    }
}
