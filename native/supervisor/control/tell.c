#include "control/tell.h"

#include "cleanup.h"

bool tell_daemon(const struct supervisor *supervisor, struct wire_writer *writer, int fd) {
    unsigned count = fd >= 0 ? 1 : 0;
    return supervisor->control >= 0 &&
           wire_send(supervisor->control, writer->bytes, wire_finish(writer, count), &fd, count) == 0;
}

void tell_failed(struct supervisor *supervisor, const struct err *err) {
    uint8_t bytes[1024];
    char text[400];
    struct wire_writer writer;
    err_text(err, text, sizeof text);
    wire_start(&writer, bytes, sizeof bytes, MSG_FAILED);
    wire_put_text(&writer, TAG_TEXT, text);
    wire_put_u32(&writer, TAG_FAILURE, (uint32_t)err->code);
    wire_put_u32(&writer, TAG_CODE, (uint32_t)err->number);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

void tell_work(struct wire_writer *writer, const struct work *work) {
    wire_put_u32(writer, TAG_WORK, work->count);
    for (unsigned index = 0; index < work->named; index++)
        wire_put_text(writer, TAG_WORK_NAME, work->names[index]);
}

void tell_stopping(struct supervisor *supervisor, const struct work *work) {
    struct wire_writer writer;
    uint8_t bytes[256];
    wire_start(&writer, bytes, sizeof bytes, MSG_STOPPING);
    wire_put_u32(&writer, TAG_CAUSE, (uint32_t)supervisor->cause);
    if (work != NULL)
        tell_work(&writer, work);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

void tell_left(struct supervisor *supervisor) {
    struct wire_writer writer;
    uint8_t bytes[64];
    wire_start(&writer, bytes, sizeof bytes, MSG_LEFT);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}
