#include "trial.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 20

enum place place;
static char **arguments; // NAME=VALUE …, ended by what is none

// What the child that makes an attack says to us.
struct report {
    enum result result;
    char detail[512];
};
static struct report *report;

static enum result say(enum result result, const char *format, va_list values) {
    (void)vsnprintf(report->detail, sizeof report->detail, format, values);
    return result;
}

#define SAYS(name, value)                                                                                    \
    enum result name(const char *format, ...) {                                                              \
        va_list values;                                                                                      \
        va_start(values, format);                                                                            \
        enum result result = say(value, format, values);                                                     \
        va_end(values);                                                                                      \
        return result;                                                                                       \
    }
SAYS(held, HELD)
SAYS(broken, OPEN)
SAYS(unattempted, UNATTEMPTED)

enum result refused(long result, const char *what) {
    return result < 0 ? held("%s: %s", what, strerror(errno)) : broken("%s: it worked", what);
}

enum result refused_as(long result, int number, const char *what) {
    if (result >= 0)
        return broken("%s: it worked", what);
    return errno == number ? held("%s: %s", what, strerror(errno))
                           : broken("%s came as far as: %s", what, strerror(errno));
}

const char *argument(const char *name) {
    size_t length = strlen(name);
    for (char **one = arguments; *one != NULL && strchr(*one, '=') != NULL; one++) {
        if (strncmp(*one, name, length) == 0 && (*one)[length] == '=')
            return *one + length + 1;
    }
    return NULL;
}

long argument_number(const char *name) {
    const char *value = argument(name);
    return value != NULL ? strtol(value, NULL, 10) : -1;
}

bool trial_start(char **given) {
    arguments = given;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return report != MAP_FAILED;
}

static bool map_ids(const char *file, unsigned id) {
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1\n", id);
    return write_text(file, map) == 0;
}

bool trial_enter_nested(void) {
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER) != 0 || write_text("/proc/self/setgroups", "deny") != 0 ||
        !map_ids("/proc/self/gid_map", gid) || !map_ids("/proc/self/uid_map", uid))
        return false;
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID) !=
        0)
        return false;
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child > 0) {
        int status;
        (void)waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, NULL) == 0;
}

static bool has_needs(const struct attack *attack) {
    char names[256];
    char *rest = NULL;
    (void)snprintf(names, sizeof names, "%s", attack->needs != NULL ? attack->needs : "");
    for (char *name = strtok_r(names, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        if (argument(name) == NULL) {
            report->result = unattempted("it needs an argument %s=…", name);
            return false;
        }
    }
    return true;
}

static _Noreturn void make_attack(const struct attack *attack) {
    (void)setpgid(0, 0);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    // What one attack mounts is no other's.
    if ((place & NESTED) != 0 && unshare(CLONE_NEWNS) != 0) {
        report->result = unattempted("no mount namespace: %s", strerror(errno));
        _exit(0);
    }
    errno = 0;
    enum result result = attack->run(attack);
    report->result = result;
    _exit(0);
}

enum result trial_make(const struct attack *attack) {
    *report = (struct report){0};
    if (!has_needs(attack))
        return report->result;
    pid_t child = fork();
    if (child == 0)
        make_attack(attack);
    if (child < 0)
        return unattempted("fork: %s", strerror(errno));
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    int status = 0;
    struct timespec deadline = {.tv_sec = PATIENCE_S};
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (sigtimedwait(&set, NULL, &deadline) >= 0)
            continue;
        (void)kill(-child, SIGKILL);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        return unattempted("it was not done after %d s", PATIENCE_S);
    }
    (void)kill(-child, SIGKILL);
    if (WIFSIGNALED(status))
        return unattempted("it was ended by signal %d", WTERMSIG(status));
    return report->result != 0 ? report->result : unattempted("it ended without a word");
}

const char *trial_detail(void) {
    report->detail[sizeof report->detail - 1] = '\0';
    return report->detail;
}
