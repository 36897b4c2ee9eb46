#include "closing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "keep.h"

// Kept ones of one user, from which on they are closed by one more process.
#define KEPT_MOST 256

struct closer {
    pid_t pid;
    uid_t uid;
};
struct kept {
    int connection;
    uid_t uid;
};

static struct closer *closers;
static struct kept *kept;
static size_t closer_count, kept_count;

static bool (*ready)(void);

void closing_when(bool (*is_ready)(void)) {
    ready = is_ready;
}

static size_t closers_of(uid_t uid) {
    size_t count = 0;
    for (size_t index = 0; index < closer_count; index++)
        count += closers[index].uid == uid ? 1 : 0;
    return count;
}

static size_t kept_of(uid_t uid) {
    size_t count = 0;
    for (size_t index = 0; index < kept_count; index++)
        count += kept[index].uid == uid ? 1 : 0;
    return count;
}

bool closing_is_full(uid_t uid) {
    return closers_of(uid) >= CLOSING_MOST;
}

// Room for one more; false where memory is short.
static bool grow(void **list, size_t count, size_t size) {
    if (count % 64 != 0)
        return true;
    void *larger = realloc(*list, (count + 64) * size);
    if (larger != NULL)
        *list = larger;
    return larger != NULL;
}

// Ends with the connections, but not before our own copies are closed: its own are then the last, and an
// exiting process lingers at no socket. It received nothing, so nothing is flushed (close(2)), only let go
// of.
static _Noreturn void close_by_exit(const int *connections, size_t count, int ours_closed) {
    char ignored;
    int *staying = malloc((count + 1) * sizeof *staying);
    if (staying != NULL) {
        memcpy(staying, connections, count * sizeof *staying);
        staying[count] = ours_closed;
        // What else we have open would stay open for as long as this process hangs.
        keep_only(staying, count + 1);
    }
    (void)prctl(PR_SET_NAME, "dockersh-close");
    (void)!read(ours_closed, &ignored, 1);
    for (int attempt = 0; ready != NULL && !ready() && attempt < 10000; attempt++) {
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    _exit(0);
}

// Takes all that is kept of a user. They are kept on where there is no process to be had.
static void start_closer(uid_t uid) {
    int pair[2] = {CLOSED_FD, CLOSED_FD};
    size_t count = 0;
    int *connections = malloc((kept_count + 1) * sizeof *connections);
    for (size_t index = 0; connections != NULL && index < kept_count; index++) {
        if (kept[index].uid == uid)
            connections[count++] = kept[index].connection;
    }
    pid_t pid = -1;
    if (count > 0 && grow((void **)&closers, closer_count, sizeof *closers) && pipe2(pair, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0) {
        close_fd(pair[1]);
        close_by_exit(connections, count, pair[0]);
    }
    if (pid > 0) {
        closers[closer_count++] = (struct closer){.pid = pid, .uid = uid};
        size_t left = 0;
        for (size_t index = 0; index < kept_count; index++) {
            if (kept[index].uid == uid)
                close_fd(kept[index].connection);
            else
                kept[left++] = kept[index];
        }
        kept_count = left;
    }
    close_fd(pair[0]);
    close_fd(pair[1]);
    free(connections);
}

void closing_end(int *connection, uid_t uid) {
    int fd = take_fd(connection);
    if (fd < 0)
        return;
    if (client_quiet(fd)) {
        close_fd(fd);
        return;
    }
    if (!grow((void **)&kept, kept_count, sizeof *kept))
        return; // out of memory: it stays open, which is better than to wait for a stranger
    kept[kept_count++] = (struct kept){.connection = fd, .uid = uid};
    if (!closing_is_full(uid) || kept_of(uid) >= KEPT_MOST)
        start_closer(uid);
}

void closing_check(void) {
    for (size_t index = 0; index < closer_count;) {
        if (waitpid(closers[index].pid, NULL, WNOHANG) == 0) {
            index++;
            continue;
        }
        uid_t uid = closers[index].uid;
        closers[index] = closers[--closer_count];
        if (kept_of(uid) > 0 && !closing_is_full(uid))
            start_closer(uid);
        index = 0; // the list may be another
    }
}

bool closing_goes_on(void) {
    for (size_t index = 0; index < closer_count; index++) {
        siginfo_t info;
        if (waitid(P_PID, (id_t)closers[index].pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
            return true;
    }
    return false;
}

void closing_forget(void) {
    closer_count = kept_count = 0;
}

void closing_flush(void) {
    for (size_t before = kept_count + 1; kept_count > 0 && kept_count < before;) {
        before = kept_count;
        start_closer(kept[0].uid);
    }
}
