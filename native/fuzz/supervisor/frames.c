// Reads what a viewer's client says to the keeper: one datagram, one frame.
#include "keeper/frames.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct frame frame;
    uint8_t *copy = malloc(length + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, length);
    if (frame_read(&frame, copy, length) && frame.keys != NULL) {
        REQUIRE(frame.key_count == length - 1 && frame.key_count <= FRAME_MOST_KEYS);
        uint8_t sum = 0;
        for (size_t index = 0; index < frame.key_count; index++)
            sum = (uint8_t)(sum + frame.keys[index]);
        REQUIRE(sum == sum % 256);
    }
    free(copy);
    return 0;
}
