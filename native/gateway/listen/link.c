#include "listen/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "loop.h"

#define NAME "gateway.settings"
// Also where no event says that something has changed: the run folder may be another one by now.
#define AGAIN (5 * SECONDS)

static char path[4096], folder[4096];
static void (*give)(struct settings *settings);
static struct watch events = {.fd = CLOSED_FD};
static struct timer again;
static struct stat known; // of the file that was read last
static bool told;         // that there is none

static bool is_known(const struct stat *status) {
    return known.st_ino == status->st_ino && known.st_dev == status->st_dev &&
           known.st_mtim.tv_sec == status->st_mtim.tv_sec && known.st_mtim.tv_nsec == status->st_mtim.tv_nsec;
}

static void take(const uint8_t *bytes, size_t length) {
    char problem[128] = "it is damaged";
    struct wire_reader reader;
    struct settings *settings = NULL;
    if (wire_open(&reader, bytes, length) && reader.type == MSG_GW_CONFIG)
        settings = settings_of(reader, problem, sizeof problem);
    if (settings != NULL)
        give(settings);
    else
        log_line(LOG_ERR, "%s is not understood: %s. The settings from before stay.", path, problem);
}

static void look(void) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    struct stat status;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && !told)
        log_line(LOG_WARNING, "%s: %s. Nobody is let in until dockershd has written it.", path,
                 strerror(errno));
    told = fd < 0;
    if (fd < 0 || fstat(fd, &status) != 0 || is_known(&status))
        return;
    if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022) != 0) {
        log_line(LOG_ERR, "%s is not read: others than root can change it.", path);
        return;
    }
    known = status;
    ssize_t length = read(fd, bytes, sizeof bytes);
    if (length > 0)
        take(bytes, (size_t)length);
}

static void watch_folder(void) {
    if (events.fd >= 0)
        return;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd >= 0 &&
        inotify_add_watch(fd, folder, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_ONLYDIR) < 0)
        close_fd_at(&fd);
    (void)loop_add(&events, fd, EPOLLIN);
}

static void changed(struct watch *watch, uint32_t mask) {
    char room[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool gone = false;
    ssize_t length;
    (void)mask;
    while ((length = read(watch->fd, room, sizeof room)) > 0) {
        for (ssize_t at = 0; at < length;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(room + at);
            gone |= (event->mask & (IN_DELETE_SELF | IN_IGNORED)) != 0;
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    if (gone)
        loop_close(&events); // the next look watches another one
    look();
}

static void look_again(struct timer *timer) {
    watch_folder();
    look();
    (void)timer_set(timer, loop_now() + AGAIN);
}

void link_open(const char *run_folder, void (*take_settings)(struct settings *settings)) {
    give = take_settings;
    events.ready = changed;
    again.due = look_again;
    (void)snprintf(folder, sizeof folder, "%s", run_folder);
    (void)snprintf(path, sizeof path, "%s/" NAME, run_folder);
    look_again(&again);
}
