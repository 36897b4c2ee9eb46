#include "inside/forward/tell.h"

#include "wire.h"

int tell_opened(int socket, const struct answered *answered) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_OPENED);
    wire_put_u32(&writer, TAG_SLOT, answered->slot);
    wire_put_u32(&writer, TAG_CODE, (uint32_t)answered->code);
    if (answered->text != NULL)
        wire_put_text(&writer, TAG_TEXT, answered->text);
    if (answered->port != 0)
        wire_put_u32(&writer, TAG_GW_PORT, answered->port);
    return wire_send(socket, bytes, wire_finish(&writer, answered->count), answered->fds, answered->count);
}
