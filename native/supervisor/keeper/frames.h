// Reads what a viewer's client says: one datagram is one frame. The first byte says which: 'k' keys, as many
// as the rest of it; 'w' the size of its window, as struct winsize has it (ioctl_tty(2)).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define FRAME_KEYS 'k'
#define FRAME_WINDOW 'w'
#define FRAME_MOST_KEYS (64 * 1024)

struct frame {
    const uint8_t *keys; // NULL: it is a window
    size_t key_count;
    struct winsize window;
};

// False: it is none.
bool frame_read(struct frame *frame, const uint8_t *bytes, size_t length);
