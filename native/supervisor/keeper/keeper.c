#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "keeper/rights.h"
#include "keeper/screen/screen.h"
#include "keeper/viewers.h"
#include "wire.h"

#define FIRST_VIEWER 3 // of what is waited for

struct keeper keeper;

uint64_t keeper_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ---- viewers -------------------------------------------------------------------------------------------

void viewer_add(int socket, uint32_t view) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        struct viewer *viewer = &keeper.viewers[index];
        if (viewer->socket >= 0)
            continue;
        *viewer = (struct viewer){.socket = socket, .view = view};
        return;
    }
    (void)shutdown(socket, SHUT_RDWR);
    close_fd(socket);
}

void viewer_drop(struct viewer *viewer) {
    (void)shutdown(viewer->socket, SHUT_RDWR);
    close_fd_at(&viewer->socket);
    free(viewer->redraw);
    viewer->redraw = NULL;
    viewer->anew = false;
    input_fit();
}

// ---- the supervisor ------------------------------------------------------------------------------------

static void hear(void) {
    uint8_t message[128];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct wire_reader reader;
    struct wire_field field;
    uint32_t view = 0;
    ssize_t length = wire_receive(keeper.control, message, sizeof message, fds, &count);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0)
        _exit(0); // the supervisor has no use for us any more
    if (wire_open(&reader, message, (size_t)length)) {
        while (wire_next(&reader, &field)) {
            if (field.tag == TAG_VIEW)
                (void)wire_u32(&field, &view);
        }
        if (reader.type == MSG_KEEPER_VIEWER && count == 1)
            viewer_add(take_fd(&fds[0]), view);
        if (reader.type == MSG_KEEPER_SCREEN)
            screen_given(count == 1 ? take_fd(&fds[0]) : CLOSED_FD);
        if (reader.type == MSG_KEEPER_END)
            keeper.over = true;
        output_look_again();
    }
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
}

// ---- the loop ------------------------------------------------------------------------------------------

static int timeout_ms(void) {
    uint64_t next = output_next_ns(), now = keeper_now_ns();
    next = keeper.restore_at_ns < next ? keeper.restore_at_ns : next;
    next = recording_next_ns() < next ? recording_next_ns() : next;
    next = screen_next_ns() < next ? screen_next_ns() : next;
    if (next == NEVER)
        return -1;
    return now >= next ? 0 : (int)((next - now) / 1000000u) + 1;
}

static void see(struct viewer *viewer, short events) {
    if (viewer->socket < 0 || events == 0)
        return;
    if (input_is_empty())
        input_read(viewer);
    else if ((events & (POLLHUP | POLLERR)) != 0)
        viewer->ended = true; // asked again when there is room for what it has typed
}

static void wait_and_handle(void) {
    short events = 0;
    int screen = screen_poll(&events);
    struct pollfd polled[FIRST_VIEWER + KEEPER_VIEWERS] = {
        {.fd = keeper.control, .events = POLLIN},
        {.fd = keeper.master, .events = (short)(output_wants_master() | input_wants_master())},
        {.fd = screen, .events = events},
    };
    if (polled[1].events == 0)
        polled[1].fd = -1; // that it has hung up is seen by reading
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct viewer *viewer = &keeper.viewers[index];
        polled[FIRST_VIEWER + index].fd = viewer->ended && !input_is_empty() ? -1 : viewer->socket;
        polled[FIRST_VIEWER + index].events = (short)(output_wants(viewer) | input_wants(viewer));
    }
    // What is over is not waited for: its terminal has all that there will be.
    int ready = poll(polled, sizeof polled / sizeof polled[0],
                     keeper.over && output_wants_master() != 0 && !output_is_empty() ? 0 : timeout_ms());
    if (ready < 0)
        return;
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        if (polled[FIRST_VIEWER + index].fd == keeper.viewers[index].socket)
            see(&keeper.viewers[index], polled[FIRST_VIEWER + index].revents);
    input_write();
    output_go_on();
    if (polled[2].revents != 0)
        screen_go_on(polled[2].revents);
    screen_due(keeper_now_ns());
    if (keeper.restore_at_ns <= keeper_now_ns())
        input_restore();
    recording_go_on();
    if (polled[0].revents != 0)
        hear();
}

// All has been shown. Only then do clients see the end of it.
static _Noreturn void finish(void) {
    recording_end();
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        if (keeper.viewers[index].socket >= 0)
            (void)shutdown(keeper.viewers[index].socket, SHUT_RDWR);
    _exit(0);
}

static void take(const struct keeper_begin *begin) {
    keeper = (struct keeper){
        .control = begin->control, .master = begin->master, .over = begin->over, .restore_at_ns = NEVER};
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        keeper.viewers[index] =
            (struct viewer){.socket = begin->viewers[index].socket, .view = begin->viewers[index].view};
}

_Noreturn void keeper_run(const struct keeper_begin *begin) {
    struct err err = {0};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_NAME, "dockersh-keeper");
    take(begin);
    screen_begin(begin->again);
    input_begin();
    if (!recording_begin(begin))
        _exit(1);
    if (begin->again)
        input_redraw();
    if (keeper_rights(begin->id, &err) != 0)
        _exit(1);
    while (!keeper.over || !output_is_done())
        wait_and_handle();
    finish();
}
