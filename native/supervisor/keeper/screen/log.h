// Remembers what the terminal has shown since the last checkpoint, as frames for the screen
// (docs/protocol.md, "Screens"). Not a byte of it is interpreted here. It is bounded: where more comes, the
// oldest of it goes, and what is left is in doubt.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define LOG_FRAME_HEADER 5

struct log {
    uint8_t *bytes;
    size_t length, room;
    size_t last; // where the last frame of output begins, that more can be added to; SIZE_MAX: there is none
    bool in_doubt;
    bool is_told; // to a screen, just now: nothing that is there may change
};

void log_output(struct log *log, const char *bytes, size_t length);
void log_size(struct log *log, const struct winsize *size);
// Whether there is no room for more, but for what is on its way.
bool log_is_full(const struct log *log);
// Forgets the first bytes, which are whole frames.
void log_drop(struct log *log, size_t count);
// `length` bytes more have come: whether it is so long that a checkpoint in its place would be better, and
// this is no flood.
bool log_is_due(const struct log *log, size_t length, uint64_t now_ns);
void log_clear(struct log *log);
