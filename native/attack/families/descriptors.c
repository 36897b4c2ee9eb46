// Attacks by the descriptors and memory that a session was born with: nothing of ours, and nothing that leads
// outside.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

static enum result leaked(const struct attack *attack) {
    (void)attack;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return unattempted("/proc/self/fd: %s", strerror(errno));
    const struct dirent *entry;
    enum result result = HELD;
    while (result == HELD && (entry = readdir(folder)) != NULL) {
        long number = strtol(entry->d_name, NULL, 10);
        if (number <= 2 || number == dirfd(folder))
            continue;
        char path[64], target[PATH_MAX] = {0};
        (void)snprintf(path, sizeof path, "/proc/self/fd/%ld", number);
        (void)readlink(path, target, sizeof target - 1);
        result = broken("descriptor %ld is %s", number, target);
    }
    (void)closedir(folder);
    return result == HELD ? held("none but the three") : result;
}

// The current folder, or a root, that is not below the sandbox's root shows as "(unreachable)".
static enum result folder_outside(const struct attack *attack) {
    static const char *const links[] = {"/proc/self/cwd", "/proc/self/root"};
    (void)attack;
    for (size_t index = 0; index < 2; index++) {
        char target[PATH_MAX] = {0};
        if (readlink(links[index], target, sizeof target - 1) < 0)
            return unattempted("%s: %s", links[index], strerror(errno));
        if (target[0] != '/' || strstr(target, "/mnt/") != NULL)
            return broken("%s is %s", links[index], target);
    }
    return held("in the sandbox");
}

// The program that brought us in lies on the host: nobody inside may write to it (CVE-2019-5736).
static enum result overwrite_program(const struct attack *attack) {
    (void)attack;
    cleanup_fd int fd = open("/proc/self/exe", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        return broken("/proc/self/exe can be written to");
    return errno == ETXTBSY || errno == ENOENT ? broken("only its being run kept it: %s", strerror(errno))
                                               : held("%s", strerror(errno));
}

static enum result reopen_input(const struct attack *attack) {
    (void)attack;
    struct stat info;
    if (fstat(0, &info) != 0 || !S_ISREG(info.st_mode))
        return unattempted("standard input is no file");
    cleanup_fd int fd = open("/proc/self/fd/0", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return broken("a file that was given for reading can be written to");
    return fchmod(0, 0777) == 0 ? broken("its mode can be changed") : held("%s", strerror(errno));
}

static enum result environment_of_ours(const struct attack *attack) {
    static const char *const names[] = {"LD_PRELOAD",    "LD_LIBRARY_PATH", "NODE_OPTIONS", "BASH_ENV",
                                        "NOTIFY_SOCKET", "LISTEN_FDS",      "INVOCATION_ID"};
    (void)attack;
    if (getenv("PATH") == NULL)
        return unattempted("there is no environment");
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (getenv(names[index]) != NULL)
            return broken("%s is set", names[index]);
    }
    return held("nothing of the service's");
}

static const struct attack attacks[] = {
    {.name = "descriptors",
     .tries = "find a descriptor that was left open",
     .must = "finds none but the three",
     .places = NOT_NESTED,
     .run = leaked},
    {.name = "folder-outside",
     .tries = "find the current folder or the root outside of the sandbox",
     .must = "finds them inside",
     .places = NOT_NESTED,
     .run = folder_outside},
    {.name = "overwrite-program",
     .tries = "write to the program that was brought in, by /proc/self/exe",
     .must = "is refused by the file's owner, not by its being run",
     .places = NOT_NESTED & ~(ROOT_ROOT | BOTH_ROOT),
     .run = overwrite_program},
    {.name = "input-reopened",
     .tries = "open a file for writing that was given for reading",
     .must = "is refused",
     .places = ANYWHERE,
     .run = reopen_input},
    {.name = "environment",
     .tries = "find variables of the service's",
     .must = "finds none",
     .places = NOT_NESTED,
     .run = environment_of_ours},
};

const struct family descriptors_family = FAMILY(attacks);
