#include "control/forwards.h"

#include <errno.h>
#include <poll.h>

#include "cleanup.h"
#include "control/tell.h"
#include "wire.h"

// At a time: others wait as well.
#define MOST_WORDS 16

static void pass_on(const struct supervisor *supervisor, const char *id, struct wire_reader *reader) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    struct wire_field field;
    if (reader->type != MSG_FORWARD)
        return;
    wire_start(&writer, bytes, sizeof bytes, MSG_FORWARD);
    wire_put_text(&writer, TAG_ID, id);
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_KIND || field.tag == TAG_NAME || field.tag == TAG_GW_PORT ||
            field.tag == TAG_FORWARD_LISTENS || field.tag == TAG_CODE || field.tag == TAG_COUNT)
            wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    }
    if (!writer.overflow)
        (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

void forwards_heard(const struct supervisor *supervisor, const char *id, int *socket) {
    for (int turn = 0; turn < MOST_WORDS && *socket >= 0; turn++) {
        struct pollfd polled = {.fd = *socket, .events = POLLIN};
        uint8_t bytes[1024];
        int fds[WIRE_MAX_FDS];
        unsigned count = 0;
        struct wire_reader reader;
        if (poll(&polled, 1, 0) <= 0 || (polled.revents & POLLIN) == 0)
            return;
        ssize_t length = wire_receive(*socket, bytes, sizeof bytes, fds, &count);
        for (unsigned index = 0; length > 0 && index < count; index++)
            close_fd(fds[index]);
        if (length == 0 || (length < 0 && errno != EAGAIN && errno != EBADMSG))
            close_fd_at(socket);
        else if (length > 0 && wire_open(&reader, bytes, (size_t)length))
            pass_on(supervisor, id, &reader);
    }
}
