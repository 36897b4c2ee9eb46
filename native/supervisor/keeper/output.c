// Passes on what the session's terminal shows. A viewer that takes nothing is not waited for while others
// read: it is shown everything anew when it reads again. One that is alone holds the session up, as a
// terminal of its own would.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
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
    return viewer->socket >= 0 && !viewer->behind && !viewer->ended && (viewer->view & VIEW_HOLDS) != 0;
}

static void give(struct viewer *viewer) {
    if (viewer->socket < 0 || viewer->behind || viewer->has_chunk || viewer->ended)
        return;
    ssize_t sent;
    do {
        sent = send(viewer->socket, chunk, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        viewer->has_chunk = true;
    else if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
        viewer->ended = true; // its hang-up is read as such, behind what it has typed
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
        viewer->behind |= !viewer->has_chunk;
        viewer->has_chunk = false;
    }
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
        any = true;
    }
    if (!any)
        return;
    catch_up_at_ns = now + CATCH_UP_NS;
    input_fit();
    input_redraw();
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
    return length == 0 && recording_takes() ? POLLIN : 0;
}

short output_wants(const struct viewer *viewer) {
    return may_catch_up(viewer, keeper_now_ns()) || (length > 0 && !viewer->has_chunk && !viewer->behind)
               ? POLLOUT
               : 0;
}

void output_go_on(void) {
    catch_up();
    if (length == 0 && recording_takes()) {
        fill();
        recording_output(chunk, length);
    }
    if (length > 0)
        pass_on();
}

void output_look_again(void) {
    is_empty = false;
}

bool output_is_done(void) {
    return length == 0 && (is_empty || keeper.master < 0);
}
