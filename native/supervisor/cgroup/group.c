#include "cgroup/group.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup/delegate.h"
#include "cleanup.h"
#include "sys.h"

void group_signal(pid_t leader, int number) {
    if (leader > 1)
        (void)kill(-leader, number);
}

struct stat_fields {
    int session, terminal; // -1 for one that is gone; 0 for one without a terminal
    bool ending;           // killed, or already on its way out
    bool dead;             // a zombie
    char name[16];
};

// Of the kernel's sched.h.
#define PF_EXITING 0x4u

// Fields of /proc/PID/stat (proc_pid_stat(5)); the name in field 2 may hold anything, so the count starts
// after it.
static struct stat_fields parse_stat(char *text) {
    struct stat_fields found = {.session = -1};
    char *rest = strrchr(text, ')');
    if (rest == NULL)
        return found;
    const char *name = strchr(text, '(');
    if (name != NULL && name < rest)
        (void)snprintf(found.name, sizeof found.name, "%.*s", (int)(rest - name - 1), name + 1);
    (void)strsep(&rest, " "); // the end of the name
    const char *word;
    for (int field = 3; field <= 31 && (word = strsep(&rest, " ")) != NULL; field++) {
        unsigned long number = strtoul(word, NULL, 10);
        if (field == 3)
            found.dead = word[0] == 'Z' || word[0] == 'X';
        if (field == 6)
            found.session = (int)number;
        if (field == 7)
            found.terminal = (int)number;
        if (field == 9)
            found.ending = (number & PF_EXITING) != 0;
        if (field == 31) // what it has been sent and has not taken yet
            found.ending |= (number & 1ul << (SIGKILL - 1)) != 0;
    }
    return found;
}

static struct stat_fields stat_of(pid_t pid) {
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return (struct stat_fields){.session = -1};
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    return parse_stat(text);
}

bool process_ends(pid_t pid) {
    return stat_of(pid).ending;
}

ino_t pid_namespace_of(pid_t pid) {
    char path[64];
    struct stat info;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

bool process_look(pid_t pid, ino_t pid_namespace, struct process *process) {
    if (pid_namespace_of(pid) != pid_namespace)
        return false;
    struct stat_fields fields = stat_of(pid);
    process->session = fields.session;
    memcpy(process->name, fields.name, sizeof process->name);
    return fields.session >= 0 && !fields.dead && !fields.ending;
}

bool process_moved(pid_t pid, uint64_t *read_bytes, uint64_t *written_bytes) {
    char path[64], text[256];
    unsigned long long got, put;
    (void)snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    if (sscanf(text, "rchar: %llu\nwchar: %llu\n", &got, &put) != 2)
        return false;
    *read_bytes = got;
    *written_bytes = put;
    return true;
}

// Whom a signal is for: the processes of one session, or where there is none, of one PID namespace.
struct addressees {
    pid_t leader; // not itself: of the session, or PID 1
    ino_t pid_namespace;
    bool on_terminals; // of these, who has one
};

static bool is_meant(pid_t pid, const struct addressees *wanted) {
    if (wanted->pid_namespace == 0)
        return stat_of(pid).session == wanted->leader;
    return pid_namespace_of(pid) == wanted->pid_namespace &&
           (!wanted->on_terminals || stat_of(pid).terminal != 0);
}

struct message {
    const struct addressees *wanted;
    int number;
};

static void signal_member(pid_t pid, void *data) {
    const struct message *message = data;
    if (pid == message->wanted->leader)
        return;
    cleanup_fd int pidfd = sys_pidfd_open(pid); // first the handle, then the question who it is
    if (pidfd >= 0 && is_meant(pid, message->wanted))
        (void)syscall(SYS_pidfd_send_signal, pidfd, message->number, NULL, 0u);
}

static void signal_members(const struct cgroups *cgroups, const struct addressees *wanted, int number) {
    char path[768];
    (void)snprintf(path, sizeof path, "%s/%s", cgroups->parents[0], cgroups->name);
    struct message message = {.wanted = wanted, .number = number};
    cgroup_each_process(path, signal_member, &message);
}

void session_signal(const struct cgroups *cgroups, pid_t leader, int number) {
    struct addressees wanted = {.leader = leader};
    signal_members(cgroups, &wanted, number);
}

static void signal_sandbox(const struct cgroups *cgroups, pid_t init, bool on_terminals, int number) {
    struct addressees wanted = {
        .leader = init, .pid_namespace = pid_namespace_of(init), .on_terminals = on_terminals};
    if (init > 1 && wanted.pid_namespace != 0)
        signal_members(cgroups, &wanted, number);
}

void sandbox_signal(const struct cgroups *cgroups, pid_t init, int number) {
    signal_sandbox(cgroups, init, false, number);
}

void sandbox_hang_up(const struct cgroups *cgroups, pid_t init) {
    signal_sandbox(cgroups, init, true, SIGHUP);
}
