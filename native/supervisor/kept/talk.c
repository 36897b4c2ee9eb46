// Talks with keepers: sends them orders, reads their reports, and starts screens for those that ask for one.
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "kept/kept.h"
#include "kept/screens.h"
#include "wire.h"

bool kept_tell(struct kept *kept, enum wire_type type, uint32_t view, int fd) {
    uint8_t bytes[64];
    struct wire_writer writer;
    unsigned count = fd >= 0 ? 1 : 0;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_u32(&writer, TAG_VIEW, view);
    return kept->control >= 0 &&
           wire_send(kept->control, bytes, wire_finish(&writer, count), &fd, count) == 0;
}

static int heard = CLOSED_FD; // epoll: of the connections to all keepers

int kept_poll(void) {
    return heard;
}

void kept_listen(struct kept *kept) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = kept};
    if (heard < 0)
        heard = epoll_create1(EPOLL_CLOEXEC);
    if (heard >= 0)
        (void)epoll_ctl(heard, EPOLL_CTL_ADD, kept->control, &event);
}

void kept_close(struct kept *kept) {
    if (kept->control >= 0 && heard >= 0)
        (void)epoll_ctl(heard, EPOLL_CTL_DEL, kept->control, NULL);
    close_fd_at(&kept->control);
}

void kept_end_screen(struct kept *kept) {
    if (kept->screen <= 0)
        return;
    (void)kill(kept->screen, SIGKILL);
    (void)waitpid(kept->screen, NULL, 0);
    kept->screen = 0;
}

static void give_screen(const struct supervisor *supervisor, struct kept *kept) {
    cleanup_fd int socket = CLOSED_FD;
    kept_end_screen(kept);
    if (supervisor->state == STATE_RUNNING)
        kept->screen = screen_start(supervisor, &socket);
    (void)kept_tell(kept, MSG_KEEPER_SCREEN, 0, socket);
}

void kept_hear(struct supervisor *supervisor) {
    struct epoll_event events[16];
    int count = epoll_wait(heard, events, sizeof events / sizeof events[0], 0);
    for (int index = 0; index < count; index++) {
        struct kept *kept = events[index].data.ptr;
        uint8_t bytes[64];
        int fds[WIRE_MAX_FDS];
        unsigned fd_count = 0;
        struct wire_reader reader;
        ssize_t length = wire_receive(kept->control, bytes, sizeof bytes, fds, &fd_count);
        for (unsigned fd = 0; length > 0 && fd < fd_count; fd++)
            close_fd(fds[fd]);
        bool is_word = length > 0 && wire_open(&reader, bytes, (size_t)length);
        if (is_word && reader.type == MSG_KEEPER_WANTS_SCREEN)
            give_screen(supervisor, kept);
        else if (is_word && reader.type == MSG_KEEPER_RECORDING)
            kept_record_heard(supervisor, kept, reader);
        else if (length == 0 || (length < 0 && errno != EAGAIN && errno != EBADMSG))
            kept_close(kept); // its end is seen by its parent
    }
}
