#include "group.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

void group_signal(pid_t leader, int number) {
    if (leader > 1)
        (void)kill(-leader, number);
}

// Field 6 of /proc/PID/stat; the name in field 2 may hold anything, so the count starts after it.
static pid_t session_of(pid_t pid) {
    char path[64], text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *after = strrchr(text, ')');
    int parent, group, session;
    if (after == NULL || sscanf(after + 1, " %*c %d %d %d", &parent, &group, &session) != 3)
        return -1;
    return session;
}

// The PID namespace a process is in, as an inode number; 0 for one that is gone.
static ino_t pid_namespace_of(pid_t pid) {
    char path[64];
    struct stat info;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

// Whom a signal is for: the processes of one session, or where there is none, of one PID namespace.
struct addressees {
    pid_t leader; // not itself: of the session, or PID 1
    ino_t pid_namespace;
};

static void signal_member(pid_t pid, const struct addressees *wanted, int number) {
    cleanup_fd int pidfd = sys_pidfd_open(pid); // first the handle, then the question who it is
    bool meant = wanted->pid_namespace != 0 ? pid_namespace_of(pid) == wanted->pid_namespace
                                            : session_of(pid) == wanted->leader;
    if (pidfd >= 0 && meant)
        (void)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0u);
}

static void signal_members(const struct cgroups *cgroups, const struct addressees *wanted, int number) {
    char path[768];
    (void)snprintf(path, sizeof path, "%s/%s/cgroup.procs", cgroups->parents[0], cgroups->name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    int pid;
    while (fscanf(file, "%d", &pid) == 1) {
        if (pid != wanted->leader)
            signal_member(pid, wanted, number);
    }
    (void)fclose(file);
}

void session_signal(const struct cgroups *cgroups, pid_t leader, int number) {
    struct addressees wanted = {.leader = leader};
    signal_members(cgroups, &wanted, number);
}

void sandbox_signal(const struct cgroups *cgroups, pid_t init, int number) {
    struct addressees wanted = {.leader = init, .pid_namespace = pid_namespace_of(init)};
    if (init > 1 && wanted.pid_namespace != 0)
        signal_members(cgroups, &wanted, number);
}
