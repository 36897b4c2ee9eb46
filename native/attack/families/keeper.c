// Attacks on the process that has a terminal's other end and records what it shows, and on its recording:
// nobody inside finds either, whatever they know of them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

// Processes inside that have the same number are not meant.
static bool is_keeper(const char *number) {
    char path[64], command[64];
    (void)snprintf(path, sizeof path, "/proc/%s/comm", number);
    return read_text(path, command, sizeof command) <= 0 || strcmp(command, "dockersh-keeper\n") == 0;
}

static enum result reach_keeper(const struct attack *attack) {
    const char *number = argument(attack->needs);
    if (!is_keeper(number))
        return unattempted("a process in here has its number, %s", number);
    enum result result = reach_number((pid_t)atoi(number));
    return result == HELD ? held("no call finds it") : result;
}

// Where it stands it would be frozen, ended or starved with the group that it was moved to.
static enum result move_below(const char *folder, const char *number, unsigned depth, unsigned *tried) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    if (access(path, F_OK) == 0) {
        ++*tried;
        if (write_text(path, number) == 0)
            return broken("it is in %s now", folder);
    }
    DIR *listing = depth > 0 ? opendir(folder) : NULL;
    enum result result = HELD;
    for (const struct dirent *entry;
         listing != NULL && result == HELD && (entry = readdir(listing)) != NULL;) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        result = move_below(path, number, depth - 1, tried);
    }
    if (listing != NULL)
        (void)closedir(listing);
    return result;
}

static enum result move_keeper(const struct attack *attack) {
    unsigned tried = 0;
    if (!is_keeper(argument(attack->needs)))
        return unattempted("a process in here has its number, %s", argument(attack->needs));
    enum result result = move_below("/sys/fs/cgroup", argument(attack->needs), 4, &tried);
    return result == HELD ? held("none of %u groups takes it", tried) : result;
}

static enum result open_recording(const struct attack *attack) {
    static const int ways[] = {O_RDONLY, O_WRONLY | O_APPEND, O_WRONLY | O_TRUNC, O_PATH};
    const char *path = argument(attack->needs);
    for (size_t index = 0; index < sizeof ways / sizeof ways[0]; index++) {
        cleanup_fd int fd = open(path, ways[index] | O_CLOEXEC);
        if (fd >= 0)
            return broken("%s can be opened, flags %o", path, (unsigned)ways[index]);
    }
    if (unlink(path) == 0 || truncate(path, 0) == 0)
        return broken("%s could be removed, or cut", path);
    return held("open: %s", strerror(errno));
}

// Whoever has its descriptor needs no path.
static enum result find_descriptor(const struct attack *attack) {
    const char *name = strrchr(argument(attack->needs), '/') + 1;
    unsigned seen = 0;
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        return unattempted("/proc: %s", strerror(errno));
    for (const struct dirent *process; (process = readdir(processes)) != NULL;) {
        char folder[300], path[600], target[PATH_MAX];
        (void)snprintf(folder, sizeof folder, "/proc/%s/fd", process->d_name);
        DIR *descriptors = atoi(process->d_name) > 0 ? opendir(folder) : NULL;
        for (const struct dirent *one; descriptors != NULL && (one = readdir(descriptors)) != NULL;) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
            ssize_t length = readlink(path, target, sizeof target - 1);
            target[length > 0 ? length : 0] = '\0';
            seen += length > 0;
            if (strstr(target, name) != NULL)
                return broken("%s is %s", path, target);
        }
        if (descriptors != NULL)
            (void)closedir(descriptors);
    }
    (void)closedir(processes);
    return seen > 0 ? held("none of %u descriptors", seen) : unattempted("no descriptors are to be seen");
}

#define KEEPER(word, what, result, thing, function)                                                          \
    { .name = word, .tries = what, .must = result, .places = ANYWHERE, .needs = thing, .run = (function) }

static const struct attack attacks[] = {
    KEEPER("keeper-process", "reach the keeper of a terminal of their own", "does not find it",
           "keeper-process", reach_keeper),
    KEEPER("keeper-group", "move the keeper into another control group", "is refused", "keeper-process",
           move_keeper),
    KEEPER("recording-file", "read, change and remove the recording of their session", "does not find it",
           "recording-file", open_recording),
    KEEPER("recording-descriptor", "find a descriptor of the recording's", "finds none", "recording-file",
           find_descriptor),
};

const struct family keeper_family = FAMILY(attacks);
