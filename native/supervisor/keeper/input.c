// Takes what viewers type to the session's terminal, and the size of their windows.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "keeper/frames.h"
#include "keeper/screen/screen.h"
#include "keeper/viewers.h"

// For programs to ask for the size that is in force for a moment.
#define REDRAW_NS 50000000u

static uint8_t frame_bytes[FRAME_MOST_KEYS + 1];
static uint8_t keys[FRAME_MOST_KEYS];
static size_t keys_begin, keys_end;
static struct winsize size; // of the terminal, as it was set last

bool input_is_empty(void) {
    return keys_begin == keys_end;
}

short input_wants_master(void) {
    return input_is_empty() ? 0 : POLLOUT;
}

short input_wants(const struct viewer *viewer) {
    (void)viewer;
    return input_is_empty() ? POLLIN : 0;
}

// ---- the size ------------------------------------------------------------------------------------------

void input_begin(void) {
    (void)ioctl(keeper.master, TIOCGWINSZ, &size);
    input_log_size();
}

struct winsize input_size(void) {
    return size;
}

static void set_size(const struct winsize *wanted) {
    if (keeper.master >= 0)
        (void)ioctl(keeper.master, TIOCSWINSZ, wanted);
}

static bool counts(const struct viewer *viewer) {
    return viewer->socket >= 0 && !viewer->behind && !viewer->ended && (viewer->view & VIEW_SIZES) != 0 &&
           viewer->window.ws_col > 0 && viewer->window.ws_row > 0;
}

void input_fit(void) {
    struct winsize wanted = {0};
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct viewer *viewer = &keeper.viewers[index];
        if (!counts(viewer))
            continue;
        if (wanted.ws_col == 0) {
            wanted = viewer->window;
            continue;
        }
        if (viewer->window.ws_col < wanted.ws_col)
            wanted.ws_col = viewer->window.ws_col, wanted.ws_xpixel = viewer->window.ws_xpixel;
        if (viewer->window.ws_row < wanted.ws_row)
            wanted.ws_row = viewer->window.ws_row, wanted.ws_ypixel = viewer->window.ws_ypixel;
    }
    if (wanted.ws_col == 0 || memcmp(&wanted, &size, sizeof size) == 0)
        return;
    size = wanted;
    recording_resize(&size);
    input_log_size();
    if (keeper.restore_at_ns == NEVER)
        set_size(&size); // else it is set when the moment is over
}

void input_log_size(void) {
    if (size.ws_col > 0)
        screen_size(&size);
}

void input_redraw(void) {
    struct winsize other = size;
    if (size.ws_row == 0)
        return; // nobody has said one
    other.ws_row = size.ws_row > 1 ? size.ws_row - 1 : 2;
    set_size(&other);
    keeper.restore_at_ns = keeper_now_ns() + REDRAW_NS;
}

void input_restore(void) {
    keeper.restore_at_ns = NEVER;
    set_size(&size);
}

// ---- keys ----------------------------------------------------------------------------------------------

static void take(struct viewer *viewer, const struct frame *frame) {
    if (frame->keys != NULL) {
        if ((viewer->view & VIEW_TYPES) == 0)
            return;
        memcpy(keys, frame->keys, frame->key_count);
        keys_begin = 0;
        keys_end = frame->key_count;
        return;
    }
    viewer->window = frame->window;
    input_fit();
    if ((viewer->view & VIEW_FRESH) == 0)
        return;
    viewer->view &= ~(uint32_t)VIEW_FRESH;
    viewer->anew = true;
    screen_want();
}

// Descriptors that a client sends are nobody's to receive: they stay where they are, and the supervisor
// closes its copy of the socket with what is in it (closing.h).
void input_read(struct viewer *viewer) {
    while (viewer->socket >= 0 && input_is_empty()) {
        enum client_next next = client_next(viewer->socket);
        if (next == CLIENT_NOTHING)
            return;
        ssize_t got = next != CLIENT_PLAIN
                          ? -1
                          : recv(viewer->socket, frame_bytes, sizeof frame_bytes, MSG_DONTWAIT | MSG_TRUNC);
        struct frame frame;
        if (got <= 0 || (size_t)got > sizeof frame_bytes || !frame_read(&frame, frame_bytes, (size_t)got)) {
            viewer_drop(viewer);
            return;
        }
        take(viewer, &frame);
    }
}

void input_write(void) {
    while (!input_is_empty()) {
        recording_look(); // before a program can be told by these keys to echo again
        ssize_t put =
            keeper.master >= 0 ? write(keeper.master, keys + keys_begin, keys_end - keys_begin) : -1;
        if (put < 0 && keeper.master >= 0 && errno == EINTR)
            continue;
        if (put < 0 && keeper.master >= 0 && errno == EAGAIN)
            return;
        if (put < 0) {
            keys_begin = keys_end; // there is no terminal any more
            return;
        }
        recording_input(keys + keys_begin, (size_t)put);
        keys_begin += (size_t)put;
    }
}
