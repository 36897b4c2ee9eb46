// Closes file descriptors that go out of scope: acquire into a variable marked `cleanup_fd`, disarm with
// `take_fd()` where the descriptor passes to another owner. close() keeps errno, so that an early return
// still reports what really failed. EINTR from close() is never retried: on Linux the descriptor is gone
// either way (close(2)).
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLOSED_FD (-EBADF)

static inline void close_fd(int fd) {
    if (fd < 0)
        return;
    int saved = errno;
    (void)close(fd);
    errno = saved;
}

static inline void close_fd_at(int *fd) {
    close_fd(*fd);
    *fd = CLOSED_FD;
}

static inline int take_fd(int *fd) {
    int taken = *fd;
    *fd = CLOSED_FD;
    return taken;
}

static inline void free_at(void *pointer) {
    free(*(void **)pointer);
}

#define cleanup_fd __attribute__((cleanup(close_fd_at)))
#define cleanup_free __attribute__((cleanup(free_at)))
