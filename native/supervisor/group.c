#include "group.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void signal_member(pid_t pid, pid_t leader, int number) {
    cleanup_fd int pidfd = sys_pidfd_open(pid); // first the handle, then the question who it is
    if (pidfd >= 0 && session_of(pid) == leader)
        (void)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0u);
}

void session_signal(const struct cgroups *cgroups, pid_t leader, int number) {
    char path[768];
    (void)snprintf(path, sizeof path, "%s/%s/cgroup.procs", cgroups->parents[0], cgroups->name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    int pid;
    while (fscanf(file, "%d", &pid) == 1) {
        if (pid != leader)
            signal_member(pid, leader, number);
    }
    (void)fclose(file);
}
