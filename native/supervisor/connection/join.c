#include "connection/join.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "control/tell.h"

// A mount namespace of the host's, and not one of some user namespace's: not a sandbox's own.
static bool is_monitor(int monitor) {
    struct stat own, theirs;
    if (ioctl(monitor, NS_GET_NSTYPE) != CLONE_NEWNS)
        return false;
    cleanup_fd int owner = ioctl(monitor, NS_GET_USERNS);
    return owner >= 0 && fstat(owner, &theirs) == 0 && stat("/proc/self/ns/user", &own) == 0 &&
           own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

int join_receive(int socket, struct err *err) {
    uint8_t bytes[8192];
    int fds[WIRE_MAX_FDS] = {CLOSED_FD};
    unsigned count = 0;
    struct wire_reader reader;
    struct ucred peer = {.uid = 1};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0)
        return err_plain(err, FAILURE_PROTOCOL, "who wants to join is not root", NULL);
    (void)fcntl(socket, F_SETFL, O_NONBLOCK);
    ssize_t length = wire_receive(socket, bytes, sizeof bytes, fds, &count);
    bool good = length > 0 && wire_open(&reader, bytes, (size_t)length) && reader.type == MSG_JOIN &&
                count == 1 && is_monitor(fds[0]);
    for (unsigned index = good ? 1 : 0; index < count; index++)
        close_fd(fds[index]);
    return good ? fds[0]
                : err_plain(err, FAILURE_PROTOCOL, "who wants to join has no mount namespace of this host",
                            NULL);
}

bool join_answer(const struct supervisor *supervisor, enum wire_type type, const char *id,
                 const struct err *err, int connection) {
    uint8_t bytes[1024];
    char text[400];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_text(&writer, TAG_ID, id);
    if (err->code != FAILURE_NONE) {
        err_text(err, text, sizeof text);
        wire_put_u32(&writer, TAG_FAILURE, (uint32_t)err->code);
        wire_put_text(&writer, TAG_TEXT, text);
    }
    return tell_daemon(supervisor, &writer, connection);
}
