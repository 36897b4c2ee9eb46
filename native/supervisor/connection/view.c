#include "connection/view.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "closing.h"
#include "connection/make.h"
#include "keep.h"

// As long as a module waits for a supervisor that is held up is longer; what takes this long hangs.
#define PATIENCE_NS 10000000000u

// Those that have been killed and have not ended: a FUSE server inside may hold them up for as long as it
// runs.
#define MOST_HUNG 8

static struct view views[MAX_VIEWS];
static pid_t hung[MOST_HUNG];

static pid_t *place_for_hung(void) {
    for (size_t index = 0; index < MOST_HUNG; index++)
        if (hung[index] == 0)
            return &hung[index];
    return NULL;
}

void view_reap(void) {
    for (size_t index = 0; index < MAX_VIEWS; index++)
        if (views[index].maker > 0 && waitpid(views[index].maker, NULL, WNOHANG) == views[index].maker)
            views[index].maker = 0;
    for (size_t index = 0; index < MOST_HUNG; index++)
        if (hung[index] > 0 && waitpid(hung[index], NULL, WNOHANG) == hung[index])
            hung[index] = 0;
}

static void forget(struct view *view) {
    if (view->maker > 0) {
        pid_t *place = place_for_hung(); // there is one: start_maker()
        (void)kill(view->maker, SIGKILL);
        if (place != NULL)
            *place = view->maker;
    }
    close_fd_at(&view->answer);
    for (size_t index = 0; index < 3; index++)
        close_fd_at(&view->namespaces[index]);
    parts_free(&view->parts);
    view->used = false;
}

static int start_maker(struct view *view, const struct supervisor *supervisor, int monitor, struct err *err) {
    int pair[2];
    if (place_for_hung() == NULL)
        return err_plain(err, FAILURE_STUCK, "make the view for sshd: earlier ones hang", NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return err_sys(err, "make a socket pair", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        // No copy of a connection: nobody would see its end.
        const int kept[] = {pair[1], monitor, supervisor->init_pidfd};
        keep_only(kept, sizeof kept / sizeof kept[0]);
        closing_forget();
        const struct view_maker maker = {.spec = &supervisor->spec,
                                         .parts = &view->parts,
                                         .init_pid = supervisor->init_pid,
                                         .init_pidfd = supervisor->init_pidfd,
                                         .monitor = monitor,
                                         .answer = pair[1]};
        view_make(&maker);
    }
    close_fd(pair[1]);
    if (pid < 0) {
        close_fd(pair[0]);
        return err_fork(err, FAILURE_SYSTEM, "start what makes the view", NULL);
    }
    view->maker = pid;
    view->answer = pair[0];
    view->give_up_at_ns = monotonic_ns() + PATIENCE_NS;
    return 0;
}

// One that nobody uses and that would be made otherwise now is of no use.
static struct view *free_view(void) {
    for (size_t index = 0; index < MAX_VIEWS; index++) {
        if (views[index].used && views[index].connections == 0)
            forget(&views[index]);
        if (!views[index].used)
            return &views[index];
    }
    return NULL;
}

struct view *view_get(struct supervisor *supervisor, int monitor, struct parts *parts, struct err *err) {
    struct stat info;
    if (fstat(monitor, &info) != 0) {
        (void)err_sys(err, "look at the mount namespace of sshd", NULL);
        return NULL;
    }
    uint64_t signature = parts_signature(parts);
    for (size_t index = 0; index < MAX_VIEWS; index++) {
        struct view *view = &views[index];
        if (view->used && view->signature == signature && view->monitor_device == info.st_dev &&
            view->monitor_inode == info.st_ino) {
            view->connections++;
            return view;
        }
    }
    struct view *view = free_view();
    if (view == NULL) {
        (void)err_plain(err, FAILURE_PLACES, "too many connections from before the host was changed", NULL);
        return NULL;
    }
    *view = (struct view){.used = true,
                          .signature = signature,
                          .monitor_device = info.st_dev,
                          .monitor_inode = info.st_ino,
                          .namespaces = {CLOSED_FD, CLOSED_FD, CLOSED_FD},
                          .answer = CLOSED_FD,
                          .parts = *parts,
                          .connections = 1};
    *parts = (struct parts){0};
    if (start_maker(view, supervisor, monitor, err) == 0)
        return view;
    forget(view);
    return NULL;
}

bool view_hear(struct view *view, struct err *err) {
    uint8_t bytes[1024];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct wire_reader reader;
    struct wire_field field;
    if (view->namespaces[0] >= 0)
        return true;
    ssize_t length = wire_receive(view->answer, bytes, sizeof bytes, fds, &count);
    if (length < 0 && errno == EAGAIN && monotonic_ns() < view->give_up_at_ns)
        return false;
    close_fd_at(&view->answer);
    if (length > 0 && wire_open(&reader, bytes, (size_t)length) && reader.type == MSG_JOINED && count == 3) {
        memcpy(view->namespaces, fds, sizeof view->namespaces);
        return true;
    }
    char text[160] = "it has not been made in time";
    if (length > 0 && wire_open(&reader, bytes, (size_t)length) && wire_next(&reader, &field))
        (void)snprintf(text, sizeof text, "%.*s", (int)field.length, (const char *)field.value);
    (void)err_plain(err, FAILURE_SYSTEM, "make the view for sshd", text);
    return true;
}

void view_release(struct view *view) {
    // The one that was made last waits for the next connection; one that can't be used waits for nobody.
    if (view != NULL && --view->connections == 0 && view->namespaces[0] < 0)
        forget(view);
}

struct view *view_at(size_t index) {
    return index < MAX_VIEWS && views[index].used ? &views[index] : NULL;
}

void view_detach_all(const struct supervisor *supervisor) {
    for (size_t index = 0; index < MAX_VIEWS; index++) {
        struct view *view = &views[index];
        if (!view->used)
            continue;
        if (view->namespaces[0] >= 0 && fork() == 0) {
            const int kept[] = {view->namespaces[0]};
            keep_only(kept, 1);
            view_detach(view->namespaces[0], supervisor->spec.uid, &view->parts);
        }
        forget(view);
    }
}
