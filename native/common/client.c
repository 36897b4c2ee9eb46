#include "client.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

// The sender's credentials come as control data, so that an empty message can be told from the end of the
// connection. There is no room for descriptors: the kernel says that some were left out (MSG_CTRUNC), and
// they stay queued.
enum client_next client_next(int connection) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char byte;
    int on = 1;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t length;
    (void)setsockopt(connection, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    do {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        length = recvmsg(connection, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return errno == EAGAIN ? CLIENT_NOTHING : CLIENT_END;
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return CLIENT_CARRIES;
    return length == 0 && CMSG_FIRSTHDR(&message) == NULL ? CLIENT_END : CLIENT_PLAIN;
}

bool client_quiet(int connection) {
    (void)shutdown(connection, SHUT_RD);
    for (;;) {
        char byte;
        switch (client_next(connection)) {
        case CLIENT_CARRIES:
            return false;
        case CLIENT_PLAIN:
            (void)!recv(connection, &byte, 1, MSG_DONTWAIT);
            break;
        default:
            return true;
        }
    }
}

void client_tell(int connection, const uint8_t *bytes, size_t length) {
    ssize_t sent;
    do {
        sent = send(connection, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
}
