#include "kept/kept.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/memory.h"
#include "cleanup.h"
#include "closing.h"
#include "keep.h"
#include "session/notice.h"
#include "sys.h"

// One that dies at once is not started again at once.
#define SOON_NS 1000000000u
#define AGAIN_NS 200000000u
// For what is left to be shown when the sandbox ends.
#define LAST_NS 1000000000u
#define MOST_LAST_STARTS 3

static struct kept *endings;

// ---- the process -----------------------------------------------------------------------------------------

static _Noreturn void run(const struct supervisor *supervisor, const struct kept *kept, int control) {
    struct keeper_begin begin = {.control = control,
                                 .master = kept->master,
                                 .over = kept->over,
                                 .again = kept->started_ns != 0,
                                 .id = supervisor->spec.root_uid};
    struct record_settings record = kept->record;
    record.terminal = kept->master;
    begin.record = kept->records ? &record : NULL;
    begin.record_refuses = kept->record_refuses;
    int open_still[3 + KEEPER_VIEWERS] = {control, kept->master, kept->record.file};
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct looker *looker = &kept->lookers[index];
        begin.viewers[index] =
            (struct keeper_viewer){.socket = looker->socket, .view = kept_view(looker->looks)};
        open_still[3 + index] = looker->socket;
    }
    if (supervisor->cgroups.version == 1)
        cgroups_attach_meanwhile(&supervisor->cgroups); // somebody waits for the terminal
    memory_score("-500"); // whatever else is short of memory in the sandbox goes before the terminal
    keep_only(open_still, sizeof open_still / sizeof open_still[0]);
    closing_forget();
    keeper_run(&begin);
}

static void start(const struct supervisor *supervisor, struct kept *kept) {
    struct err ignored = {0};
    struct sys_clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int cgroup = CLOSED_FD;
    int pair[2];
    kept->again_ns = monotonic_ns() + AGAIN_NS;
    kept->starts += kept->over ? 1 : 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return;
    (void)cgroups_birth(&supervisor->cgroups, &supervisor->spec, true, &args, &cgroup, &ignored);
    pid_t pid = sys_clone3(&args);
    if (pid == 0)
        run(supervisor, kept, pair[1]);
    close_fd(pair[1]);
    if (pid < 0) { // the sandbox has as many processes as it may, perhaps
        close_fd(pair[0]);
        return;
    }
    kept->pid = pid;
    kept->control = pair[0];
    kept_listen(kept);
    kept->started_ns = monotonic_ns();
    kept->again_ns = NEVER;
}

// ---- a session's -----------------------------------------------------------------------------------------

void kept_begin(struct session *session, struct wire_reader reader, int *file) {
    const struct wire_reader all = reader;
    struct wire_field field;
    uint64_t keep_ms = 0;
    uint32_t keeper = 0, most = MAX_SESSIONS;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_KEEP_MS)
            (void)wire_u64(&field, &keep_ms);
        if (field.tag == TAG_KEEPER)
            (void)wire_u32(&field, &keeper);
        if (field.tag == TAG_MOST_KEPT)
            (void)wire_u32(&field, &most);
    }
    struct kept *kept = keeper == 1 ? calloc(1, sizeof *kept) : NULL;
    if (kept == NULL)
        return; // its client has the terminal, as where none is wanted
    *kept = (struct kept){.control = CLOSED_FD,
                          .master = CLOSED_FD,
                          .again_ns = NEVER,
                          .until_ns = NEVER,
                          .keep_ns = keep_ms < NEVER / 1000000u ? keep_ms * 1000000u : NEVER,
                          .most = most};
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        kept->lookers[index].socket = CLOSED_FD;
    kept_record_begin(kept, all, file);
    session->kept = kept;
}

bool kept_terminal(struct supervisor *supervisor, struct session *session, int *master) {
    struct kept *kept = session->kept;
    if (kept == NULL)
        return false; // there was no memory for it
    kept->master = take_fd(master);
    if (!kept_show(session, session, (unsigned)(session - supervisor->sessions), LOOKS_ATTACH, false))
        return false;
    start(supervisor, kept); // the client is on its way meanwhile
    return true;
}

static void release(struct kept *kept, uid_t uid) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        closing_end(&kept->lookers[index].socket, uid);
    kept_end_screen(kept);
    kept_close(kept);
    close_fd_at(&kept->master);
    close_fd_at(&kept->record.file);
    free(kept);
}

void kept_end(struct session *session) {
    struct kept *kept = session->kept;
    session->kept = NULL;
    if (kept == NULL)
        return;
    kept->over = true;
    kept->next = endings;
    endings = kept;
    // One that does not hear it any more is replaced by one that knows; without a terminal there is none.
    (void)kept_tell(kept, MSG_KEEPER_END, 0, CLOSED_FD);
}

// ---- deaths ----------------------------------------------------------------------------------------------

void kept_touch(const struct supervisor *supervisor, const struct kept *kept) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_NOTICE);
    size_t length = wire_finish(&writer, 0);
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct looker *looker = &kept->lookers[index];
        const struct session *viewer = &supervisor->sessions[looker->slot];
        if (looker->socket >= 0 && viewer->used && notice_has_room(viewer))
            (void)send(viewer->connection, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

// True: it has ended as it should.
static bool reap(struct kept *kept) {
    int status = 0;
    if (kept->screen > 0 && waitpid(kept->screen, NULL, WNOHANG) == kept->screen)
        kept->screen = 0;
    if (kept->pid <= 0 || waitpid(kept->pid, &status, WNOHANG) != kept->pid)
        return false;
    kept->pid = 0;
    kept_close(kept);
    kept_end_screen(kept); // it was this one's
    bool soon = monotonic_ns() - kept->started_ns < SOON_NS;
    kept->again_ns = soon ? monotonic_ns() + AGAIN_NS : 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void kept_reap(const struct supervisor *supervisor) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct kept *kept = supervisor->sessions[index].kept;
        if (kept != NULL)
            (void)reap(kept);
    }
    for (struct kept **place = &endings; *place != NULL;) {
        struct kept *kept = *place;
        bool is_done = reap(kept);
        if (is_done || kept->master < 0 || (kept->pid == 0 && kept->starts >= MOST_LAST_STARTS)) {
            *place = kept->next;
            release(kept, supervisor->spec.uid);
        } else {
            place = &kept->next;
        }
    }
}

uint64_t kept_next(const struct supervisor *supervisor) {
    uint64_t next = NEVER;
    for (size_t index = 0; index < supervisor->reached; index++) {
        const struct kept *kept = supervisor->sessions[index].kept;
        if (kept == NULL)
            continue;
        next = kept->again_ns < next ? kept->again_ns : next;
        next = kept->until_ns < next ? kept->until_ns : next;
    }
    for (const struct kept *kept = endings; kept != NULL; kept = kept->next)
        next = kept->again_ns < next ? kept->again_ns : next;
    return next;
}

static void start_again(const struct supervisor *supervisor, struct kept *kept, uint64_t now) {
    if (kept->again_ns > now || kept->master < 0)
        return;
    start(supervisor, kept);
    kept_touch(supervisor, kept); // the next one does not know the sizes of their windows
}

void kept_due(struct supervisor *supervisor, uint64_t now) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *session = &supervisor->sessions[index];
        if (session->kept == NULL)
            continue;
        start_again(supervisor, session->kept, now);
        if (session->kept->until_ns <= now)
            session_end_kept(supervisor, session, CAUSE_KEEP_FOR);
    }
    for (struct kept *kept = endings; kept != NULL; kept = kept->next)
        start_again(supervisor, kept, now);
}

void kept_end_all(struct supervisor *supervisor) {
    uint64_t deadline = monotonic_ns() + LAST_NS;
    for (size_t index = 0; index < supervisor->reached; index++) {
        close_fd_at(&supervisor->sessions[index].pts);
        kept_end(&supervisor->sessions[index]);
    }
    for (;;) {
        kept_reap(supervisor);
        uint64_t now = monotonic_ns();
        if (endings == NULL || now >= deadline)
            break;
        struct timespec pause = {.tv_nsec = 2000000};
        (void)nanosleep(&pause, NULL);
    }
    for (struct kept *kept = endings; kept != NULL; kept = kept->next) {
        kept_end_screen(kept);
        if (kept->pid > 0)
            (void)kill(kept->pid, SIGKILL);
    }
}
