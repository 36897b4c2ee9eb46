#include "start/step.h"

#include <errno.h>

#include "cleanup.h"

int step_send(int peer, enum wire_type type, int fd, struct err *err) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    unsigned count = fd >= 0 ? 1 : 0;
    if (wire_send(peer, bytes, wire_finish(&writer, count), &fd, count) != 0)
        return err_sys(err, "send step", NULL);
    return 0;
}

enum wanted { NO_FD, ANY_FD, ONE_FD };

static int wait_for(int peer, enum wire_type type, enum wanted wanted, int *fd, struct err *err) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    int fds[WIRE_MAX_FDS];
    unsigned count;
    ssize_t length = wire_receive(peer, bytes, sizeof bytes, fds, &count);
    struct wire_reader reader;
    bool right = length > 0 && wire_open(&reader, bytes, (size_t)length) && reader.type == type && count <= 1;
    if (right && wanted != NO_FD && count == 1) {
        *fd = fds[0];
        return 0;
    }
    for (unsigned index = 0; length > 0 && index < count; index++)
        close_fd(fds[index]);
    if (right && wanted != ONE_FD)
        return 0;
    if (length == 0)
        return err_plain(err, FAILURE_SYSTEM, "the other process of the sandbox's start has ended", NULL);
    return err_sys(err, "wait for step", NULL);
}

int step_wait(int peer, enum wire_type type, struct err *err) {
    return wait_for(peer, type, NO_FD, NULL, err);
}

int step_wait_any(int peer, enum wire_type type, int *fd, struct err *err) {
    return wait_for(peer, type, ANY_FD, fd, err);
}

int step_wait_fd(int peer, enum wire_type type, int *fd, struct err *err) {
    return wait_for(peer, type, ONE_FD, fd, err);
}
