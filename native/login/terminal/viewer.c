#include "terminal/viewer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PATIENCE_MS 10000

bool viewer_is_one(int fd) {
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return true;
}

static ssize_t send_frame(int socket, char kind, const void *bytes, size_t length) {
    struct iovec parts[] = {{.iov_base = &kind, .iov_len = 1},
                            {.iov_base = (void *)bytes, .iov_len = length}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

void viewer_say_size(const struct terminal *terminal, int socket) {
    struct winsize size;
    int fd = terminal->input >= 0 ? terminal->input : terminal->output;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return;
    // There is no room where the session takes no keys: then the size matters as little. It is waited for a
    // moment, so that none is lost but there.
    struct pollfd polled = {.fd = socket, .events = POLLOUT};
    if (send_frame(socket, 'w', &size, sizeof size) < 0 && errno == EAGAIN && poll(&polled, 1, 100) > 0)
        (void)send_frame(socket, 'w', &size, sizeof size);
}

// A datagram is taken as a whole or not at all. A keeper that has gone takes nothing more.
void viewer_type(int socket, const char *bytes, size_t *begin, size_t end) {
    if (send_frame(socket, 'k', bytes + *begin, end - *begin) > 0 || errno != EAGAIN)
        *begin = end;
}

bool viewer_wait(int socket) {
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    return poll(&polled, 1, PATIENCE_MS) > 0;
}
