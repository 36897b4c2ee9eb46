// /proc and /sys: what is the machine's can neither be changed nor, where it tells secrets, be read.
#include "attack.h"

static enum result write_file(const struct attack *attack) {
    return unwritable(attack->kernel_file, "0");
}

static enum result read_file(const struct attack *attack) {
    return unreadable(attack->kernel_file);
}

// What is written would change nothing where it got through, or be refused by the kernel for its sense.
#define WRITES(word, path)                                                                                   \
    {                                                                                                        \
        .name = "write-" word, .tries = "write to " path, .must = "is refused", .places = ANYWHERE,          \
        .run = write_file, .harm = NOISY, .with = (path)                                                     \
    }
#define READS(word, path)                                                                                    \
    {                                                                                                        \
        .name = "read-" word, .tries = "read " path, .must = "is refused, or is empty", .places = ANYWHERE,  \
        .run = read_file, .with = (path)                                                                     \
    }

static const struct attack attacks[] = {
    WRITES("core-pattern", "/proc/sys/kernel/core_pattern"),
    WRITES("modprobe", "/proc/sys/kernel/modprobe"),
    WRITES("overcommit", "/proc/sys/vm/overcommit_memory"),
    WRITES("file-max", "/proc/sys/fs/file-max"),
    READS("kernel-memory", "/proc/kcore"),
    READS("kernel-log", "/proc/kmsg"),
};

const struct family kernel_files_family = FAMILY(attacks);
