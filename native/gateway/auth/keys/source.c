#include "auth/keys/source.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

#define PATIENCE_MS 20000

// Exit statuses of who looks.
enum { LOOKED = 0, NOT_THERE = 10, NOT_TRUSTED = 11, NOT_RUN = 12 };

// ---- in the process that looks -------------------------------------------------------------------------

static bool is_theirs(const struct stat *status, uid_t uid) {
    return (status->st_uid == 0 || status->st_uid == uid) && (status->st_mode & 022) == 0;
}

// Whoever can write a folder can put another file there (sshd's StrictModes).
static bool folders_are_theirs(const char *path, const char *home, uid_t uid) {
    char folder[PATH_MAX], top[PATH_MAX];
    struct stat status;
    if (realpath(path, folder) == NULL)
        return false;
    bool has_home = realpath(home, top) != NULL;
    for (char *slash = strrchr(folder, '/'); slash != NULL; slash = strrchr(folder, '/')) {
        bool root = slash == folder;
        slash[root ? 1 : 0] = '\0';
        if (stat(folder, &status) != 0 || !is_theirs(&status, uid))
            return false;
        if (root || (has_home && strcmp(folder, top) == 0))
            return true;
    }
    return false;
}

static bool copy(int from, int to) {
    char bytes[4096];
    size_t left = SOURCE_MOST;
    ssize_t length;
    while (left > 0 && (length = read(from, bytes, sizeof bytes < left ? sizeof bytes : left)) > 0) {
        if (write(to, bytes, (size_t)length) != length)
            return false;
        left -= (size_t)length;
    }
    return true;
}

static _Noreturn void look(const char *path, const char *home, uid_t uid, int to) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        _exit(NOT_THERE);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || !is_theirs(&status, uid) ||
        !folders_are_theirs(path, home, uid))
        _exit(NOT_TRUSTED);
    _exit(copy(fd, to) ? LOOKED : NOT_THERE);
}

static _Noreturn void run(char *const *arguments, int to) {
    char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                 "LANG=C", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(to, 1) < 0 || dup2(null, 2) < 0)
        _exit(NOT_RUN);
    (void)sys_close_range(3, ~0u, 0);
    (void)execve(arguments[0], arguments, environment);
    _exit(NOT_RUN);
}

// Root's, too, is nobody's here: without capabilities it has the rights of its id.
static bool become(const struct reader *reader) {
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (geteuid() != 0)
        return true; // in a test: as whoever has started it
    return initgroups(reader->name, reader->gid) == 0 &&
           setresgid(reader->gid, reader->gid, reader->gid) == 0 &&
           setresuid(reader->uid, reader->uid, reader->uid) == 0 && chdir("/") == 0;
}

// ---- in the monitor ------------------------------------------------------------------------------------

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// All that comes through the pipe until its end; NULL: too much, or too late.
static char *drain(int pipe, size_t *length) {
    cleanup_free char *text = malloc(SOURCE_MOST + 1);
    int64_t until = now_ms() + PATIENCE_MS;
    *length = 0;
    while (text != NULL) {
        struct pollfd polled = {.fd = pipe, .events = POLLIN};
        int64_t left = until - now_ms();
        int found = poll(&polled, 1, left > 0 ? (int)left : 0);
        if (found < 0 && errno == EINTR)
            continue;
        if (found <= 0)
            return NULL;
        ssize_t got = read(pipe, text + *length, SOURCE_MOST + 1 - *length);
        if (got < 0 || *length + (size_t)got > SOURCE_MOST)
            return NULL;
        if (got == 0)
            break;
        *length += (size_t)got;
    }
    if (text == NULL)
        return NULL;
    text[*length] = '\0';
    char *taken = text;
    text = NULL;
    return taken;
}

static const char *reason(int status) {
    if (!WIFEXITED(status))
        return "who looked has been ended";
    switch (WEXITSTATUS(status)) {
    case LOOKED:
    case NOT_THERE:
        return NULL;
    case NOT_TRUSTED:
        return "others than its owner and root can change it, or a folder above it";
    case NOT_RUN:
        return "it can't be run";
    default:
        return "it has failed";
    }
}

static char *finish(pid_t pid, int pipe, size_t *length, const char **why) {
    int status = 0;
    char *text = pid > 0 ? drain(pipe, length) : NULL;
    *why = NULL;
    if (pid < 0) {
        *why = "there is no process for it";
        return NULL;
    }
    if (text == NULL) {
        *why = "it is too long, or takes too long";
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (text != NULL && WIFEXITED(status) && WEXITSTATUS(status) == LOOKED)
        return text;
    free(text);
    if (*why == NULL)
        *why = reason(status);
    return NULL;
}

char *source_file(const struct reader *reader, const char *path, const char *home, size_t *length,
                  const char **why) {
    int ends[2];
    *why = "there is no pipe";
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    cleanup_fd int from = ends[0];
    pid_t pid = fork();
    if (pid == 0) {
        if (!become(reader))
            _exit(NOT_RUN);
        look(path, home, reader->uid, ends[1]);
    }
    close_fd(ends[1]);
    return finish(pid, from, length, why);
}

char *source_command(const struct reader *reader, char *const *arguments, size_t *length, const char **why) {
    int ends[2];
    *why = "there is no pipe";
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    cleanup_fd int from = ends[0];
    pid_t pid = fork();
    if (pid == 0) {
        if (!become(reader))
            _exit(NOT_RUN);
        run(arguments, ends[1]);
    }
    close_fd(ends[1]);
    return finish(pid, from, length, why);
}
