#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "leave.h"

int reach_dial(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(connection, (const struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    return take_fd(&connection);
}

// There is no socket, or no access to it: nothing changes that within seconds. All else passes: a daemon that
// is being restarted, and what this user or the host has no more of just now (descriptors under way,
// ETOOMANYREFS; files, ENFILE; memory).
bool reach_may_come(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EACCES:
    case EPERM:
        return false;
    default:
        return true;
    }
}

// musl has no words for all of them.
static const char *words_for(int error) {
    return error == ETOOMANYREFS ? "too many descriptors of yours are under way" : strerror(error);
}

_Noreturn void reach_failed(int error, const char *tell) {
    char text[256];
    const char *service = "The login service (dockershd)";
    switch (error) {
    case EACCES:
    case EPERM:
        (void)snprintf(text, sizeof text,
                       "Access to the socket of the login service (dockershd) is denied. %s", tell);
        break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENOENT:
        (void)snprintf(text, sizeof text, "%s is not running, so you can't be logged in. %s", service, tell);
        break;
    default:
        (void)snprintf(text, sizeof text, "%s can't be reached, so you can't be logged in: %s. %s", service,
                       words_for(error), tell);
    }
    fail(text);
}
