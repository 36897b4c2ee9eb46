#include "keeper/frames.h"

#include <string.h>

bool frame_read(struct frame *frame, const uint8_t *bytes, size_t length) {
    *frame = (struct frame){0};
    if (length < 2)
        return false;
    if (bytes[0] == FRAME_KEYS && length - 1 <= FRAME_MOST_KEYS) {
        frame->keys = bytes + 1;
        frame->key_count = length - 1;
        return true;
    }
    if (bytes[0] != FRAME_WINDOW || length != 1 + sizeof frame->window)
        return false;
    memcpy(&frame->window, bytes + 1, sizeof frame->window);
    return true;
}
