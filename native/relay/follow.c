#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "loop.h"

#define MOST_WATCHED 16
#define MOST_LINKS 8
#define MOST_BYTES (64 * 1024)
// A file that is written in several steps is read after the last.
#define SETTLED (50 * MILLISECONDS)
#define CHANGES                                                                                              \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

static const char *file;
static struct servers *current;
static struct watch watch;
static struct timer settled;
static int watched[MOST_WATCHED]; // inotify's numbers
static size_t watched_count;

struct servers *follow_servers(void) {
    return current;
}

// As if_nametoindex(3), whose socket the system call filter refuses.
unsigned follow_interface(const char *name) {
    struct ifreq request = {0};
    cleanup_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(name) >= sizeof request.ifr_name)
        return 0;
    (void)strcpy(request.ifr_name, name);
    return ioctl(fd, SIOCGIFINDEX, &request) == 0 ? (unsigned)request.ifr_ifindex : 0;
}

// ---- the folders on the way ----------------------------------------------------------------------------

static void cut_last(char *path) {
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *(slash == path ? slash + 1 : slash) = '\0';
}

static bool add_watch(const char *path, uint32_t flags) {
    int number = inotify_add_watch(watch.fd, path, CHANGES | flags);
    if (number >= 0 && watched_count < MOST_WATCHED)
        watched[watched_count++] = number;
    return number >= 0;
}

// The folder that the path's last part is in; the next one above that is there, until it is.
static void watch_folder_of(const char *path) {
    char folder[PATH_MAX];
    (void)strcpy(folder, path);
    do {
        cut_last(folder);
        if (add_watch(folder, IN_ONLYDIR) || errno != ENOENT)
            return;
    } while (strcmp(folder, "/") != 0);
}

// Replaces `path` by what it links to. False: it is no link.
static bool follow_link(char *path) {
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = '\0';
    if (target[0] == '/')
        *path = '\0';
    else
        cut_last(path);
    size_t used = strlen(path);
    if (used + (size_t)length + 2 > PATH_MAX)
        return false;
    if (used > 0 && path[used - 1] != '/')
        path[used++] = '/';
    memcpy(path + used, target, (size_t)length + 1);
    return true;
}

static void watch_all(void) {
    char path[PATH_MAX];
    while (watched_count > 0)
        (void)inotify_rm_watch(watch.fd, watched[--watched_count]);
    (void)strcpy(path, file);
    for (int links = 0; links < MOST_LINKS; links++) {
        watch_folder_of(path);
        if (!follow_link(path))
            break;
    }
    // And the file: what is mounted over another one has its folder elsewhere.
    (void)add_watch(path, 0);
}

// ---- what it says --------------------------------------------------------------------------------------

// A file that is not there for a moment changes nothing.
static void read_all(void) {
    static char text[MOST_BYTES];
    cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t used = 0;
    ssize_t got = -1;
    while (fd >= 0 && used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    if (got < 0)
        return;
    text[used] = '\0';
    struct servers *servers = servers_of_file(text, follow_interface);
    if (servers == NULL)
        return;
    servers_leave(current);
    current = servers;
}

static void is_settled(struct timer *timer) {
    (void)timer;
    watch_all();
    read_all();
}

// Also told of watches that have been taken away, by ourselves for instance.
static bool tells_a_change(const char *events, size_t length) {
    for (size_t at = 0; at + sizeof(struct inotify_event) <= length;) {
        struct inotify_event event;
        memcpy(&event, events + at, sizeof event);
        if ((event.mask & IN_IGNORED) == 0)
            return true;
        at += sizeof event + event.len;
    }
    return false;
}

static void changed(struct watch *changes, uint32_t events) {
    char told[4096];
    (void)events;
    ssize_t got = read(changes->fd, told, sizeof told);
    if (got > 0 && tells_a_change(told, (size_t)got) && settled.place == 0 &&
        !timer_set(&settled, loop_now() + SETTLED))
        is_settled(&settled);
}

int follow_start(const char *path, struct err *err) {
    if (strlen(path) >= PATH_MAX || path[0] != '/')
        return err_plain(err, FAILURE_USAGE, "no path", path);
    file = path;
    settled.due = is_settled;
    watch.ready = changed;
    if (!loop_add(&watch, inotify_init1(IN_CLOEXEC | IN_NONBLOCK), EPOLLIN))
        return err_sys(err, "watch", path);
    watch_all();
    current = servers_of_file("", follow_interface);
    if (current == NULL)
        return err_sys(err, "allocate", NULL);
    read_all();
    return 0;
}
