// Passes on what the session's terminal shows. A viewer that takes nothing is not waited for while others
// read: it is shown everything anew when it reads again. One that is alone holds the session up, as a
// terminal of its own would.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "keeper/screen/screen.h"
#include "keeper/viewers.h"

#define CHUNK_BYTES (64 * 1024) // what a client takes at a time
// Between one time that all is shown anew and the next: it costs the programs there something.
#define CATCH_UP_NS 1000000000u

static char chunk[CHUNK_BYTES];
static size_t length; // of what has not been passed on yet
static bool is_empty; // the terminal had nothing when it was read last
static uint64_t catch_up_at_ns;

// A PTY hands out 4 KiB at a time; larger pieces save everybody wake-ups.
static void fill(void) {
    is_empty |= keeper.master < 0;
    while (keeper.master >= 0 && length < CHUNK_BYTES) {
        ssize_t got = read(keeper.master, chunk + length, CHUNK_BYTES - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != EAGAIN)
            close_fd_at(&keeper.master); // the terminal has been hung up (EIO, pty(7))
        if (got <= 0) {
            is_empty = true;
            return;
        }
        is_empty = false;
        length += (size_t)got;
    }
}

static bool holds(const struct viewer *viewer) {
    return viewer->socket >= 0 && !viewer->behind && !viewer_waits(viewer) && !viewer->ended &&
           (viewer->view & VIEW_HOLDS) != 0;
}

// True: it has taken them.
static bool send_piece(struct viewer *viewer, const void *bytes, size_t count) {
    ssize_t sent;
    do {
        sent = send(viewer->socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
        viewer->ended = true; // its hang-up is read as such, behind what it has typed
    return sent >= 0;
}

static void forget_redraw(struct viewer *viewer) {
    free(viewer->redraw);
    viewer->redraw = NULL;
}

static void give_redraw(struct viewer *viewer) {
    while (viewer->redraw != NULL && viewer->socket >= 0 && !viewer->ended) {
        size_t left = viewer->redraw_length - viewer->redraw_done;
        size_t count = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        if (count > 0 && !send_piece(viewer, viewer->redraw + viewer->redraw_done, count))
            return;
        viewer->redraw_done += count;
        viewer->has_seen = true;
        if (viewer->redraw_done == viewer->redraw_length)
            forget_redraw(viewer);
    }
}

static void give(struct viewer *viewer) {
    if (viewer->socket < 0 || viewer->behind || viewer_waits(viewer) || viewer->has_chunk || viewer->ended)
        return;
    give_redraw(viewer);
    if (viewer->redraw == NULL && !viewer->ended && send_piece(viewer, chunk, length)) {
        viewer->has_chunk = true;
        viewer->has_seen = true;
    }
}

static void pass_on(void) {
    bool taken = false, held = false;
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        struct viewer *viewer = &keeper.viewers[index];
        give(viewer);
        taken |= holds(viewer) && viewer->has_chunk;
        held |= holds(viewer) && !viewer->has_chunk;
    }
    if (held && !taken)
        return;
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        struct viewer *viewer = &keeper.viewers[index];
        viewer->behind |= !viewer->has_chunk && !viewer_waits(viewer);
        viewer->has_chunk = false;
        if (viewer->behind)
            forget_redraw(viewer);
    }
    screen_output(chunk, length);
    length = 0;
    if (held)
        input_fit(); // who is behind does not count
}

static bool may_catch_up(const struct viewer *viewer, uint64_t now) {
    return viewer->socket >= 0 && viewer->behind && !viewer->ended && now >= catch_up_at_ns;
}

static void catch_up(void) {
    uint64_t now = keeper_now_ns();
    bool any = false;
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        struct viewer *viewer = &keeper.viewers[index];
        struct pollfd polled = {.fd = viewer->socket, .events = POLLOUT};
        if (!may_catch_up(viewer, now) || poll(&polled, 1, 0) <= 0 || (polled.revents & POLLOUT) == 0)
            continue;
        viewer->behind = false;
        viewer->anew = true;
        any = true;
    }
    if (!any)
        return;
    catch_up_at_ns = now + CATCH_UP_NS;
    input_fit();
    screen_want();
}

uint64_t output_next_ns(void) {
    uint64_t now = keeper_now_ns();
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct viewer *viewer = &keeper.viewers[index];
        if (viewer->socket >= 0 && viewer->behind && !viewer->ended && now < catch_up_at_ns)
            return catch_up_at_ns;
    }
    return NEVER;
}

short output_wants_master(void) {
    return length == 0 && recording_takes() && !screen_holds() ? POLLIN : 0;
}

short output_wants(const struct viewer *viewer) {
    return may_catch_up(viewer, keeper_now_ns()) || viewer->redraw != NULL ||
                   (length > 0 && !viewer->has_chunk && !viewer->behind && !viewer_waits(viewer))
               ? POLLOUT
               : 0;
}

void output_go_on(void) {
    size_t fresh = 0;
    catch_up();
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        give_redraw(&keeper.viewers[index]);
    if (length == 0 && recording_takes() && !screen_holds()) {
        fill();
        fresh = length;
    }
    if (length > 0)
        pass_on();
    recording_output(chunk, fresh); // while who looks is shown them already
}

bool output_is_empty(void) {
    return is_empty;
}

void output_look_again(void) {
    is_empty = false;
}

bool output_is_done(void) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct viewer *viewer = &keeper.viewers[index];
        if (viewer->socket >= 0 && !viewer->ended && (viewer->redraw != NULL || viewer->anew))
            return false;
    }
    return length == 0 && (is_empty || keeper.master < 0);
}
