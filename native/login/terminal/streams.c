#include "terminal/streams.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leave.h"

void streams_fill(void) {
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EXIT_OURS);
    }
}

// The stream whose hang-up means that nobody is at the other end any more, or -1. sshd gives one socket
// as 0 and 1, or three pipes; of those, only the one of our standard error has no other meaning when its
// reader goes. Elsewhere ("2>&1 | head") a reader that goes is the session's own business.
static int hang_up_stream(void) {
    struct stat in, out, err;
    if (fstat(0, &in) != 0 || fstat(1, &out) != 0 || fstat(2, &err) != 0)
        return -1;
    if (S_ISSOCK(in.st_mode) && in.st_ino == out.st_ino && in.st_dev == out.st_dev)
        return 0;
    bool own = err.st_ino != out.st_ino || err.st_dev != out.st_dev;
    bool stream = S_ISFIFO(err.st_mode) || S_ISSOCK(err.st_mode);
    return own && stream && getenv("SSH_CONNECTION") != NULL ? 2 : -1;
}

int streams_release(void) {
    int watched = hang_up_stream();
    for (int fd = 0; fd < 2; fd++) {
        if (fd != watched && !isatty(fd))
            (void)close(fd);
    }
    return watched;
}
