// Attacks on the kernel's counters: a sandbox's are charged to an id of its own, and bounded.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "attack.h"
#include "cleanup.h"

#define MOST_TERMINALS 128
#define MOST_OF_ANYTHING (1l << 21)

// Whoever owns the user namespace is charged. Only an id that is mapped can be seen inside: the host's root
// can't.
static enum result charge_root(const struct attack *attack) {
    (void)attack;
    uid_t owner;
    cleanup_fd int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, NS_GET_OWNER_UID, &owner) != 0)
        return unattempted("who owns the user namespace is not said: %s", strerror(errno));
    return owner == 0 ? held("root inside is charged") : broken("%u is charged, who is nobody inside", owner);
}

static enum result have_more(const struct attack *attack) {
    (void)attack;
    static const char folder[] = "/proc/sys/user";
    DIR *bounds = opendir(folder);
    if (bounds == NULL)
        return unattempted("%s: %s", folder, strerror(errno));
    enum result result = unattempted("nothing is in %s", folder);
    for (const struct dirent *one; (one = readdir(bounds)) != NULL;) {
        char path[sizeof folder + sizeof one->d_name], text[64];
        (void)snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        if (one->d_name[0] == '.' || read_text(path, text, sizeof text) <= 0)
            continue;
        if (strtol(text, NULL, 10) > MOST_OF_ANYTHING) {
            result = broken("%s has no bound: %s", one->d_name, text);
            break;
        }
        if (write_text(path, "2147483647") == 0) {
            result = broken("wrote to %s", path);
            break;
        }
        result = held("%s: %s", path, strerror(errno));
    }
    (void)closedir(bounds);
    return result;
}

// They are closed when the attack's process ends.
static enum result take_terminals(const struct attack *attack) {
    (void)attack;
    int count = 0;
    while (count <= MOST_TERMINALS && open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0)
        count++;
    if (count == 0)
        return unattempted("/dev/ptmx: %s", strerror(errno));
    return count > MOST_TERMINALS ? broken("took %d", count) : held("%d: %s", count, strerror(errno));
}

static enum result remount_terminals(const struct attack *attack) {
    (void)attack;
    return refused_as(mount(NULL, "/dev/pts", NULL, MS_REMOUNT, "max=1000"), EPERM, "mount");
}

static const struct attack attacks[] = {
    {.name = "counters-owner",
     .tries = "have what the kernel counts charged to root of the host",
     .must = "finds that the sandbox's own root is charged",
     .places = NOT_NESTED,
     .run = charge_root},
    {.name = "counters-bounds",
     .tries = "find a counter without a bound, or raise one",
     .must = "finds none, and is refused",
     .places = NOT_NESTED,
     .run = have_more},
    {.name = "terminals-all",
     .tries = "take more terminals than a sandbox may have",
     .must = "gets 128 at most",
     .places = ANYWHERE,
     .harm = NOISY,
     .run = take_terminals},
    {.name = "terminals-remount",
     .tries = "give /dev/pts another bound",
     .must = "is refused",
     .places = ANYWHERE,
     .run = remount_terminals},
};

const struct family counters_family = FAMILY(attacks);
