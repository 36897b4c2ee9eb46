// Attacks on what there is outside: another user's sandbox and the host have things of every kind that
// processes talk by, which "dockersh-attack hold PREFIX" has made there, open to everybody. None is in reach.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"
#include "hold.h"

// The argument that an attack needs is the one thing that it is about.
static enum result attach_memory(const struct attack *attack) {
    void *memory = shmat((int)argument_number(attack->needs), NULL, SHM_RDONLY);
    return memory != (void *)-1 ? broken("its memory is attached") : held("shmat: %s", strerror(errno));
}

static enum result find_memory(const struct attack *attack) {
    return refused(shmget((key_t)argument_number(attack->needs), 0, 0), "shmget");
}

static enum result find_semaphore(const struct attack *attack) {
    return refused(semget((key_t)argument_number(attack->needs), 0, 0), "semget");
}

static enum result find_messages(const struct attack *attack) {
    return refused(msgget((key_t)argument_number(attack->needs), 0), "msgget");
}

static enum result open_queue(const struct attack *attack) {
    mqd_t queue = mq_open(argument(attack->needs), O_RDONLY | O_NONBLOCK);
    return refused(queue, "mq_open");
}

static enum result open_path(const struct attack *attack) {
    const char *path = argument(attack->needs);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return broken("%s can be read", path);
    return held("open: %s", strerror(errno));
}

static enum result connect_to(const struct sockaddr *address, socklen_t length, int type) {
    cleanup_fd int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return unattempted("socket: %s", strerror(errno));
    if (connect(fd, address, length) == 0 || errno == EINPROGRESS)
        return broken("connected, or on the way");
    return held("connect: %s", strerror(errno));
}

static enum result connect_unix(const char *name, bool abstract, int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if (length + 2 > sizeof address.sun_path)
        return unattempted("the name is too long");
    memcpy(address.sun_path + abstract, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return connect_to((struct sockaddr *)&address, size, type);
}

static enum result connect_abstract(const struct attack *attack) {
    return connect_unix(argument(attack->needs), true, SOCK_STREAM);
}

static enum result connect_abstract_packets(const struct attack *attack) {
    return connect_unix(argument(attack->needs), true, SOCK_DGRAM);
}

static enum result connect_path(const struct attack *attack) {
    return connect_unix(argument(attack->needs), false, SOCK_STREAM);
}

static enum result connect_internet(const char *where, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    (void)inet_pton(AF_INET, where, &address.sin_addr);
    return connect_to((struct sockaddr *)&address, sizeof address, SOCK_STREAM);
}

// The loopback answers at once: what is on the way has been refused or taken in a moment. From a port of our
// own that is another: a socket that connects to the port that it has itself been given finds itself (RFC
// 9293, 3.5).
static enum result connect_loopback(const struct attack *attack) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, own = address;
    socklen_t size = sizeof own;
    address.sin_port = htons((uint16_t)argument_number(attack->needs));
    cleanup_fd int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cleanup_fd int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(first, (struct sockaddr *)&own, size) != 0 || bind(second, (struct sockaddr *)&own, size) != 0 ||
        getsockname(first, (struct sockaddr *)&own, &size) != 0)
        return unattempted("a socket with a port: %s", strerror(errno));
    int fd = own.sin_port == address.sin_port ? second : first;
    return refused(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
}

static enum result connect_metadata(const struct attack *attack) {
    (void)attack;
    static const char *const addresses[] = {"169.254.169.254", "169.254.170.2", "100.100.100.200",
                                            "192.168.0.1",     "10.0.0.1",      "1.1.1.1"};
    if (given("network", "host"))
        return held("the policy gives the host's network");
    if (given("network", "private"))
        return held("the policy gives a network of its own, which has attacks of its own");
    for (size_t index = 0; index < sizeof addresses / sizeof addresses[0]; index++) {
        enum result result = connect_internet(addresses[index], 80);
        if (result != HELD)
            return result;
    }
    return HELD;
}

// Whether the number that one of the held processes has on the host is here another's: ours, or the
// session's.
static bool is_someone_else(pid_t pid) {
    char path[64], command[64];
    (void)snprintf(path, sizeof path, "/proc/%d/comm", pid);
    return read_text(path, command, sizeof command) > 0 && strcmp(command, HELD_NAME "\n") != 0;
}

enum result reach_number(pid_t pid) {
    char byte;
    struct iovec ours = {&byte, 1}, theirs = {(void *)0x10000, 1};
    struct rlimit limit;
    struct sched_param priority = {0};
    const struct {
        const char *what;
        long result;
    } tries[] = {
        {"kill", kill(pid, 0)},
        {"tgkill", syscall(SYS_tgkill, pid, pid, 0)},
        {"pidfd_open", syscall(SYS_pidfd_open, pid, 0)},
        {"ptrace", ptrace(PTRACE_SEIZE, pid, 0, 0)},
        {"process_vm_readv", process_vm_readv(pid, &ours, 1, &theirs, 1, 0)},
        {"prlimit", syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, NULL, &limit)},
        {"setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 19)},
        {"sched_setscheduler", syscall(SYS_sched_setscheduler, pid, SCHED_OTHER, &priority)},
        {"getsid", getsid(pid)},
        {"getpgid", getpgid(pid)},
        {"kcmp", syscall(SYS_kcmp, pid, getpid(), 0, 0, 0)},
        {"ioprio_set", syscall(SYS_ioprio_set, 1, pid, 0)},
        {"move_pages", syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0)},
    };
    for (size_t index = 0; index < sizeof tries / sizeof tries[0]; index++) {
        if (tries[index].result >= 0)
            return broken("%s worked on %d", tries[index].what, pid);
    }
    return HELD;
}

// Numbers of the host's are given to processes in here as well. There are more processes outside that are all
// the same to us than there are in here, so that some have a number which nobody in here has.
static enum result reach_process(const struct attack *attack) {
    size_t tried = 0, taken = 0;
    char *end;
    for (const char *rest = argument(attack->needs); *rest != '\0'; rest = *end == ',' ? end + 1 : end) {
        pid_t pid = (pid_t)strtol(rest, &end, 10);
        if (end == rest)
            return unattempted("%s is no list of numbers", argument(attack->needs));
        if (is_someone_else(pid)) {
            taken++;
            continue;
        }
        tried++;
        enum result result = reach_number(pid);
        if (result != HELD)
            return result;
    }
    return tried > 0 ? held("no call finds one of %zu", tried)
                     : unattempted("all %zu numbers are those of processes in here", taken);
}

// A file of the image "host" is no file of the host's: neither its locks nor its watches are.
static enum result share_lock(const struct attack *attack) {
    cleanup_fd int fd = open(argument(attack->needs), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return unattempted("open: %s", strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return held("a lock of its own");
    return broken("flock: %s", strerror(errno));
}

static enum result watch_program(const struct attack *attack) {
    cleanup_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0 || inotify_add_watch(watch, argument(attack->needs), IN_OPEN) < 0)
        return unattempted("inotify: %s", strerror(errno));
    struct pollfd seen = {.fd = watch, .events = POLLIN};
    return poll(&seen, 1, 400) == 0 ? held("nothing was seen in 400 ms") : broken("its use was seen");
}

#define OUTSIDE(word, prefix, what, thing, function)                                                         \
    {                                                                                                        \
        .name = prefix "-" word, .tries = what, .must = "does not find it", .places = ANYWHERE,              \
        .needs = prefix "-" thing, .run = (function)                                                         \
    }
#define BOTH(word, what, thing, function)                                                                    \
    OUTSIDE(word, "host", what " of the host's", thing, function),                                           \
        OUTSIDE(word, "other", what " of another user's", thing, function)

// Of the image "host".
#define SHARED(word, prefix, what, function)                                                                 \
    {                                                                                                        \
        .name = prefix "-" word, .tries = what, .must = "finds nothing",                                     \
        .places = PLAIN_USER | NESTING_USER | NESTING_NESTED, .needs = prefix "-program", .run = (function)  \
    }

static const struct attack attacks[] = {
    BOTH("memory-id", "attach shared memory", "shm-id", attach_memory),
    BOTH("memory-key", "find shared memory by its key", "key", find_memory),
    BOTH("semaphore", "find a semaphore by its key", "key", find_semaphore),
    BOTH("messages", "find a message queue by its key", "key", find_messages),
    BOTH("queue", "open a POSIX message queue", "queue", open_queue),
    BOTH("shm-file", "open shared memory in /dev/shm", "shm-file", open_path),
    BOTH("tmp-file", "open a file in /tmp that everybody may read", "file", open_path),
    BOTH("fifo", "open a fifo in /tmp that everybody may write to", "fifo", open_path),
    BOTH("socket-path", "connect to a socket in /tmp", "socket", connect_path),
    BOTH("socket-abstract", "connect to an abstract socket", "abstract", connect_abstract),
    BOTH("socket-packets", "send to an abstract socket of datagrams", "packets", connect_abstract_packets),
    BOTH("loopback", "connect to a service on the loopback", "port", connect_loopback),
    BOTH("process", "reach a process", "process", reach_process),
    SHARED("lock", "host", "find a lock that the host has on a program", share_lock),
    SHARED("lock", "other", "find a lock that another user has on a program", share_lock),
    SHARED("watch", "host", "see when the host uses a program", watch_program),
    SHARED("watch", "other", "see when another user uses a program", watch_program),
    OUTSIDE("secret", "host", "open a file of the host's by its path", "secret", open_path),
    OUTSIDE("home", "other", "open the home of another user's", "home", open_path),
    {.name = "metadata-address",
     .tries = "connect to addresses outside, such as those that tell cloud machines their secrets",
     .must = "finds no way there",
     .places = ANYWHERE,
     .run = connect_metadata},
};

const struct family outside_family = FAMILY(attacks);
