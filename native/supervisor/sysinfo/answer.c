// The process that answers sysinfo(2) for a sandbox. It has the sandbox's user namespace, and of its
// capabilities those that another process's memory is written with; of the host's files it sees /proc alone.
// Nobody inside can name it, because it is outside of their PID namespace.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/sysinfo.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"
#include "sysinfo/sysinfo.h"

#define IDLE_MS 5000
// What has just been read of the cgroup is as good as what is read now.
#define FRESH_NS 20000000u
// Of the sandbox's: the spawner, and this process.
#define OUR_PROCESSES 2

// ---- numbers ---------------------------------------------------------------------------------------------

enum source { LIMIT, USAGE, SWAP_LIMIT, SWAP_USAGE, STATISTICS, PROCESSES, SOURCES };
static const char *const files[2][SOURCES] = {{"memory.limit_in_bytes", "memory.usage_in_bytes",
                                               "memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes",
                                               "memory.stat", "pids.current"},
                                              {"memory.max", "memory.current", "memory.swap.max",
                                               "memory.swap.current", "memory.stat", "pids.current"}};

static int sources[SOURCES];
static bool sum_of_both; // version 1 counts memory and swap together
static long started_s;

static void open_sources(const struct cgroups *cgroups) {
    sum_of_both = cgroups->version == 1;
    for (size_t source = 0; source < SOURCES; source++) {
        sources[source] = CLOSED_FD;
        for (size_t index = 0; index < cgroups->count && sources[source] < 0; index++) {
            char path[768];
            (void)snprintf(path, sizeof path, "%s/%s/%s", cgroups->parents[index], cgroups->name,
                           files[cgroups->version - 1][source]);
            sources[source] = open(path, O_RDONLY | O_CLOEXEC);
        }
    }
}

// UINT64_MAX where there is no limit, or nobody counts.
static uint64_t number(enum source source) {
    char text[32];
    ssize_t length = pread(sources[source], text, sizeof text - 1, 0);
    if (length <= 0 || text[0] < '0' || text[0] > '9')
        return UINT64_MAX;
    text[length] = '\0';
    return strtoull(text, NULL, 10);
}

static uint64_t shared_memory(void) {
    static char text[8192];
    ssize_t length = pread(sources[STATISTICS], text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    const char *line = strstr(text, "\nshmem ");
    return line != NULL ? strtoull(line + strlen("\nshmem "), NULL, 10) : 0;
}

static uint64_t least(uint64_t one, uint64_t other) {
    return one < other ? one : other;
}

static uint64_t without(uint64_t all, uint64_t part) {
    return all > part ? all - part : 0;
}

// Loads are the host's, as /proc/loadavg has them.
static void look(struct sysinfo *info) {
    struct timespec now;
    (void)syscall(SYS_sysinfo, info);
    uint64_t unit = info->mem_unit, memory = info->totalram * unit, swap = info->totalswap * unit;
    uint64_t limit = number(LIMIT), usage = number(USAGE), swap_limit = number(SWAP_LIMIT),
             swap_usage = number(SWAP_USAGE), processes = number(PROCESSES);
    if (sum_of_both) {
        swap_limit = swap_limit == UINT64_MAX ? UINT64_MAX : without(swap_limit, limit);
        swap_usage = swap_usage == UINT64_MAX ? 0 : without(swap_usage, usage);
    }
    if (usage != UINT64_MAX) {
        memory = least(memory, limit);
        info->freeram = without(memory, usage);
        info->sharedram = shared_memory();
        info->bufferram = 0;
        swap = least(swap, swap_limit);
        info->freeswap = without(swap, swap_usage == UINT64_MAX ? 0 : swap_usage);
    } else {
        info->freeram *= unit;
        info->sharedram *= unit;
        info->bufferram *= unit;
        info->freeswap *= unit;
    }
    info->totalram = memory;
    info->totalswap = swap;
    info->totalhigh = info->freehigh = 0;
    info->mem_unit = 1;
    if (processes != UINT64_MAX)
        info->procs = (uint16_t)least(without(processes, OUR_PROCESSES), UINT16_MAX);
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    info->uptime = now.tv_sec - started_s + (now.tv_nsec > 0 ? 1 : 0);
}

static const struct sysinfo *numbers(void) {
    static struct sysinfo info;
    static uint64_t looked_ns;
    uint64_t now = monotonic_ns();
    if (looked_ns == 0 || now - looked_ns > FRESH_NS) {
        look(&info);
        looked_ns = now;
    }
    return &info;
}

// As 32-bit programs have it (struct compat_sysinfo of the kernel).
struct small_sysinfo {
    int32_t uptime;
    uint32_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t totalhigh, freehigh, mem_unit;
    char rest[8];
};

// In units that leave room for the largest number, as the kernel does it.
static struct small_sysinfo small(const struct sysinfo *info) {
    unsigned shift = 0, page = (unsigned)sysconf(_SC_PAGESIZE);
    if ((info->totalram | info->totalswap) >> 32 != 0) {
        while (1u << shift < page)
            shift++;
    }
    struct small_sysinfo small = {.uptime = (int32_t)info->uptime,
                                  .totalram = (uint32_t)(info->totalram >> shift),
                                  .freeram = (uint32_t)(info->freeram >> shift),
                                  .sharedram = (uint32_t)(info->sharedram >> shift),
                                  .totalswap = (uint32_t)(info->totalswap >> shift),
                                  .freeswap = (uint32_t)(info->freeswap >> shift),
                                  .procs = info->procs,
                                  .mem_unit = 1u << shift};
    for (size_t index = 0; index < 3; index++)
        small.loads[index] = (uint32_t)info->loads[index];
    return small;
}

// ---- an answer -------------------------------------------------------------------------------------------

// By a descriptor of the caller's memory, opened before the call is known to go on still: a process that has
// its number by then is another one, whose memory is not meant.
static void answer(int listener, const struct seccomp_notif *call) {
    char path[32];
    struct seccomp_notif_resp response = {.id = call->id};
    uint64_t id = call->id;
    const struct sysinfo *info = numbers();
    struct small_sysinfo narrow = small(info);
    bool wide = call->data.arch == CALLS_MACHINE;
    const void *bytes = wide ? (const void *)info : &narrow;
    size_t length = wide ? sizeof *info : sizeof narrow;
    (void)snprintf(path, sizeof path, "%u/mem", call->pid);
    cleanup_fd int memory = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (memory < 0) { // who lets nobody see its memory (PR_SET_DUMPABLE)
        sysinfo_pass(listener, call->id);
        return;
    }
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0)
        return;
    if (pwrite(memory, bytes, length, (off_t)call->data.args[0]) != (ssize_t)length)
        response.error = -EFAULT;
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void take(const struct sysinfo_begin *begin, int index) {
    static struct sysinfo_notice notice;
    if (!sysinfo_receive(begin->listeners[index], &notice))
        return; // whoever called has been killed
    const struct seccomp_notif *call = (const struct seccomp_notif *)notice.bytes;
    begin->page->ids[index] = call->id;
    begin->page->since_ns = monotonic_ns();
    answer(begin->listeners[index], call);
    begin->page->since_ns = 0;
}

// ---- rights ----------------------------------------------------------------------------------------------

static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,
#ifdef SYS_poll
    CALLS_ALLOW(poll),
#endif
    CALLS_ALLOW(ppoll),
    CALLS_ALLOW(openat),
    CALLS_ALLOW(pread64),
    CALLS_ALLOW(pwrite64),
    CALLS_ALLOW(close),
    CALLS_ALLOW(clock_gettime),
    CALLS_ALLOW(sysinfo),
    CALLS_OF_EVERY_PROGRAM,
    CALLS_IS(SYS_ioctl, 8),
    CALLS_ARGUMENT(1),
    CALLS_IS((uint32_t)SECCOMP_IOCTL_NOTIF_RECV, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_IS((uint32_t)SECCOMP_IOCTL_NOTIF_SEND, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_IS((uint32_t)SECCOMP_IOCTL_NOTIF_ID_VALID, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_REFUSE,
    CALLS_REFUSE,
};

static int keep_capabilities(void) {
    const uint32_t kept = 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_OVERRIDE;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}};
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return -1;
    }
    return (int)syscall(SYS_capset, &head, data);
}

static int confine(const struct supervisor *supervisor, struct err *err) {
    const struct rlimit most = {.rlim_cur = 64, .rlim_max = 64}, none = {0};
    if (chroot("/proc") != 0 || chdir("/") != 0 || setrlimit(RLIMIT_NOFILE, &most) != 0 ||
        setrlimit(RLIMIT_CORE, &none) != 0 || setns(supervisor->init_pidfd, CLONE_NEWUSER) != 0 ||
        setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0 ||
        keep_capabilities() != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_sys(err, "give up rights", NULL);
    close_fd(supervisor->init_pidfd);
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}

_Noreturn void sysinfo_answer(const struct sysinfo_begin *begin) {
    struct err err = {0};
    struct pollfd polled[SYSINFO_LISTENERS];
    (void)prctl(PR_SET_NAME, "dockersh-sysinf");
    open_sources(&begin->supervisor->cgroups);
    started_s = begin->started_s;
    if (confine(begin->supervisor, &err) != 0)
        _exit(1);
    for (int index = 0; index < SYSINFO_LISTENERS; index++)
        polled[index] = (struct pollfd){.fd = begin->listeners[index], .events = POLLIN};
    while (poll(polled, SYSINFO_LISTENERS, IDLE_MS) > 0) {
        bool is_over = true;
        for (int index = 0; index < SYSINFO_LISTENERS; index++) {
            if ((polled[index].revents & POLLIN) != 0)
                take(begin, index);
            else if (polled[index].revents != 0)
                polled[index].fd = -1; // nobody has its filter any more
            is_over &= polled[index].fd < 0;
        }
        if (is_over)
            break;
    }
    _exit(0);
}
