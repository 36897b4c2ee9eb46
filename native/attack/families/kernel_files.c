// Attacks on /proc and /sys: settings of the machine can't be changed, nor its secrets read. Files are only
// opened for writing, which is where the kernel decides: nothing is changed where it says yes.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"
#include "cleanup.h"

static enum result write_file(const struct attack *attack) {
    const char *path = attack->kernel_file;
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        return broken("%s can be opened for writing", path);
    return errno == ENOENT ? absent(path) : held("%s: %s", path, strerror(errno));
}

// What the sandbox has not at all.
static enum result find_file(const struct attack *attack) {
    const char *path = attack->kernel_file;
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    return fd >= 0 ? broken("%s is there", path) : refused_as(-1, ENOENT, path);
}

static enum result read_file(const struct attack *attack) {
    return unreadable(attack->kernel_file);
}

static enum result list_folder(const struct attack *attack) {
    const char *path = attack->kernel_file;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT ? absent(path) : held("%s: %s", path, strerror(errno));
    char found[256] = "";
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            (void)snprintf(found, sizeof found, "%s", entry->d_name);
    (void)closedir(folder);
    return found[0] == '\0' ? held("%s is empty", path) : broken("%s/%s is there", path, found);
}

// Without the right to see them, the kernel shows addresses as zeroes.
static enum result read_addresses(const struct attack *attack) {
    static char text[65536];
    const char *path = attack->kernel_file;
    ssize_t length = read_text(path, text, sizeof text);
    if (length < 0)
        return errno == ENOENT ? absent(path) : held("%s: %s", path, strerror(errno));
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        size_t digits = strspn(line, "0123456789abcdef");
        if (digits == 16 && strspn(line, "0") < 16)
            return broken("an address: %s", line);
    }
    return held("nothing but zeroes");
}

#define WRITES(word, path)                                                                                   \
    {                                                                                                        \
        .name = "write-" word, .tries = "write to " path, .must = "is refused", .places = ANYWHERE,          \
        .run = write_file, .kernel_file = (path)                                                             \
    }
#define READS(word, path)                                                                                    \
    {                                                                                                        \
        .name = "read-" word, .tries = "read " path, .must = "is refused, or is empty", .places = ANYWHERE,  \
        .run = read_file, .kernel_file = (path)                                                              \
    }

// With nesting whoever makes namespaces mounts proc anew, and nothing of it is covered
// (native/supervisor/start/masks.h).
#define COVERED(word, path, how, what, result)                                                               \
    {                                                                                                        \
        .name = word, .tries = what " " path, .must = result, .places = WITHOUT_NESTING, .run = (how),       \
        .kernel_file = (path)                                                                                \
    }
#define READS_COVERED(word, path) COVERED("read-" word, path, read_file, "read", "is refused, or is empty")
#define LISTS_COVERED(word, path) COVERED("list-" word, path, list_folder, "list", "is refused, or is empty")
// What belongs to the sandbox's own namespaces, and so to its root.
#define WRITES_COVERED(word, path) COVERED("write-" word, path, write_file, "write to", "is refused")

#define FINDS(word, path)                                                                                    \
    {                                                                                                        \
        .name = "find-" word, .tries = "find " path, .must = "is not there", .places = ANYWHERE,             \
        .run = find_file, .kernel_file = (path)                                                              \
    }

static const struct attack attacks[] = {
    WRITES("core-pattern", "/proc/sys/kernel/core_pattern"),
    WRITES("modprobe", "/proc/sys/kernel/modprobe"),
    WRITES("sysrq", "/proc/sys/kernel/sysrq"),
    WRITES("panic", "/proc/sys/kernel/panic"),
    WRITES("printk", "/proc/sys/kernel/printk"),
    WRITES("kptr-restrict", "/proc/sys/kernel/kptr_restrict"),
    WRITES("randomize", "/proc/sys/kernel/randomize_va_space"),
    WRITES("threads-max", "/proc/sys/kernel/threads-max"),
    WRITES("bpf-disabled", "/proc/sys/kernel/unprivileged_bpf_disabled"),
    WRITES("perf-paranoid", "/proc/sys/kernel/perf_event_paranoid"),
    WRITES("ptrace-scope", "/proc/sys/kernel/yama/ptrace_scope"),
    WRITES("overcommit", "/proc/sys/vm/overcommit_memory"),
    WRITES("drop-caches", "/proc/sys/vm/drop_caches"),
    WRITES("panic-on-oom", "/proc/sys/vm/panic_on_oom"),
    WRITES("mmap-min", "/proc/sys/vm/mmap_min_addr"),
    WRITES("file-max", "/proc/sys/fs/file-max"),
    WRITES("suid-dumpable", "/proc/sys/fs/suid_dumpable"),
    WRITES("protected-symlinks", "/proc/sys/fs/protected_symlinks"),
    WRITES("protected-hardlinks", "/proc/sys/fs/protected_hardlinks"),
    WRITES("mount-max", "/proc/sys/fs/mount-max"),
    WRITES("aio-max", "/proc/sys/fs/aio-max-nr"),
    WRITES("binfmt", "/proc/sys/fs/binfmt_misc/register"),
    WRITES("rmem-max", "/proc/sys/net/core/rmem_max"),
    WRITES("sysrq-trigger", "/proc/sysrq-trigger"),
    WRITES("mtrr", "/proc/mtrr"),
    WRITES("uevent-helper", "/sys/kernel/uevent_helper"),
    WRITES("power-state", "/sys/power/state"),
    WRITES("profiling", "/sys/kernel/profiling"),
    WRITES("ksm", "/sys/kernel/mm/ksm/run"),
    WRITES("hugepages", "/sys/kernel/mm/transparent_hugepage/enabled"),
    WRITES("cpu-online", "/sys/devices/system/cpu/cpu1/online"),
    WRITES("clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    WRITES("rcu-expedited", "/sys/kernel/rcu_expedited"),
    READS("kernel-memory", "/proc/kcore"),
    READS("kernel-log", "/proc/kmsg"),
    READS("slabinfo", "/proc/slabinfo"),
    READS("vmallocinfo", "/proc/vmallocinfo"),
    READS("page-types", "/proc/pagetypeinfo"),
    READS("page-counts", "/proc/kpagecount"),
    READS("page-flags", "/proc/kpageflags"),
    READS("page-cgroups", "/proc/kpagecgroup"),
    READS("timer-list", "/proc/timer_list"),
    READS_COVERED("keys", "/proc/keys"),
    READS_COVERED("key-users", "/proc/key-users"),
    READS_COVERED("interrupts", "/proc/interrupts"),
    READS_COVERED("softirqs", "/proc/softirqs"),
    READS_COVERED("schedstat", "/proc/schedstat"),
    READS_COVERED("sched-debug", "/proc/sched_debug"),
    READS_COVERED("timer-stats", "/proc/timer_stats"),
    READS_COVERED("latency-stats", "/proc/latency_stats"),
    LISTS_COVERED("pressure", "/proc/pressure"),
    READS_COVERED("config", "/proc/config.gz"),
    READS_COVERED("symbol-names", "/proc/kallsyms"),
    READS_COVERED("vmcoreinfo", "/sys/kernel/vmcoreinfo"),
    READS_COVERED("kernel-notes", "/sys/kernel/notes"),
    // Below what is covered without nesting.
    {.name = "write-irq-affinity",
     .tries = "write to /proc/irq/default_smp_affinity",
     .must = "is refused",
     .places = WITH_NESTING,
     .run = write_file,
     .kernel_file = "/proc/irq/default_smp_affinity"},
    {.name = "write-scsi",
     .tries = "write to /proc/scsi/scsi",
     .must = "is refused",
     .places = WITH_NESTING,
     .run = write_file,
     .kernel_file = "/proc/scsi/scsi"},
    LISTS_COVERED("irq", "/proc/irq"),
    LISTS_COVERED("scsi", "/proc/scsi"),
    LISTS_COVERED("acpi", "/proc/acpi"),
    LISTS_COVERED("bus", "/proc/bus"),
    LISTS_COVERED("proc-driver", "/proc/driver"),
    LISTS_COVERED("proc-fs", "/proc/fs"),
    LISTS_COVERED("firmware", "/sys/firmware"),
    LISTS_COVERED("sys-irq", "/sys/kernel/irq"),
    LISTS_COVERED("slab", "/sys/kernel/slab"),
    LISTS_COVERED("boot-params", "/sys/kernel/boot_params"),
    LISTS_COVERED("powercap", "/sys/devices/virtual/powercap"),
    WRITES_COVERED("pid-max", "/proc/sys/kernel/pid_max"),
    WRITES_COVERED("msgmax", "/proc/sys/kernel/msgmax"),
    WRITES_COVERED("msgmni", "/proc/sys/kernel/msgmni"),
    WRITES_COVERED("sem", "/proc/sys/kernel/sem"),
    WRITES_COVERED("shmmax", "/proc/sys/kernel/shmmax"),
    WRITES_COVERED("shmall", "/proc/sys/kernel/shmall"),
    WRITES_COVERED("mqueue-queues", "/proc/sys/fs/mqueue/queues_max"),
    WRITES_COVERED("mqueue-messages", "/proc/sys/fs/mqueue/msg_max"),
    WRITES_COVERED("somaxconn", "/proc/sys/net/core/somaxconn"),
    WRITES_COVERED("ports", "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    WRITES_COVERED("user-namespaces", "/proc/sys/user/max_user_namespaces"),
    FINDS("conntrack-max", "/proc/sys/net/nf_conntrack_max"),
    FINDS("mem", "/dev/mem"),
    FINDS("kmsg", "/dev/kmsg"),
    FINDS("port", "/dev/port"),
    FINDS("vcs", "/dev/vcs"),
    FINDS("console", "/dev/console"),
    FINDS("loop-control", "/dev/loop-control"),
    FINDS("kvm", "/dev/kvm"),
    FINDS("tun", "/dev/net/tun"),
    FINDS("input", "/dev/input"),
    FINDS("disk", "/dev/vda"),
    {.name = "read-symbols",
     .tries = "read the addresses of the kernel in /proc/kallsyms",
     .must = "reads zeroes",
     .places = ANYWHERE,
     .run = read_addresses,
     .kernel_file = "/proc/kallsyms"},
    {.name = "read-modules",
     .tries = "read the addresses of modules in /proc/modules",
     .must = "reads zeroes",
     .places = ANYWHERE,
     .run = read_addresses,
     .kernel_file = "/proc/modules"},
};

const struct family kernel_files_family = FAMILY(attacks);
