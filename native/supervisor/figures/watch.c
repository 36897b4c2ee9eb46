// The watcher of lxcfs: a child of the launcher's, one for the host. It may hang in whatever it asks of
// lxcfs; the daemon, which hears from it once a second while there is one, then takes lxcfs for dead and
// kills it.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "figures/figures.h"
#include "sys.h"

#define FUSE_MAGIC 0x65735546
#define LOOK_MS 1000
#define LOOK_AGAIN_MS 10000 // at one that does not answer

static struct {
    int daemon;
    char *folder, *pid_file;
    char *names[MAX_FIGURES];
    size_t name_count;
    int lxcfs;   // its process; CLOSED_FD: not known
    uint64_t of; // the device number of its file system; 0: there is none
    bool mounted;
} self = {.lxcfs = CLOSED_FD};

static void parse(struct wire_reader *request) {
    struct wire_field field;
    while (wire_next(request, &field)) {
        if (field.tag == TAG_TEXT)
            self.folder = wire_text(&field);
        else if (field.tag == TAG_NAME)
            self.pid_file = wire_text(&field);
        else if (field.tag == TAG_FIGURE && self.name_count < MAX_FIGURES)
            self.names[self.name_count++] = wire_text(&field);
    }
}

static int path_of(const char *name, char *path, size_t size) {
    int length = snprintf(path, size, "%s/%s", self.folder, name);
    return length > 0 && (size_t)length < size ? 0 : -1;
}

// By the file that lxcfs writes, so that its end is heard of at once and not only with the next look. The
// number may be somebody else's by now: then that one's end makes us look once more.
static void find_process(void) {
    char text[32] = "";
    cleanup_fd int file = open(self.pid_file, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0)
        return;
    long pid = strtol(text, NULL, 10);
    if (pid > 1)
        self.lxcfs = sys_pidfd_open((pid_t)pid);
}

// A file that lxcfs answers for at every read.
static bool answers(void) {
    char path[4096], byte;
    if (path_of("proc/loadavg", path, sizeof path) != 0)
        return false;
    cleanup_fd int file = open(path, O_RDONLY | O_CLOEXEC);
    return file >= 0 && read(file, &byte, 1) == 1;
}

static uint64_t look(void) {
    struct statfs system;
    struct stat info;
    if (statfs(self.folder, &system) != 0)
        self.mounted = errno == ENOTCONN;
    else
        self.mounted = system.f_type == FUSE_MAGIC;
    bool well = self.mounted && stat(self.folder, &info) == 0 && answers();
    return well ? info.st_dev : 0;
}

// A copy of the mount for one file: lxcfs's own mount stays free to be unmounted.
static int open_one(const char *name) {
    char path[4096];
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_RDONLY | SYS_MOUNT_ATTR_NOSUID |
                                              SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC,
                                  .propagation = MS_PRIVATE};
    if (path_of(name, path, sizeof path) != 0)
        return -1;
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, path, SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0)
        return -1;
    return take_fd(&tree);
}

// `with_files`: those that there are, in the order of their names; an lxcfs may be older than one of them.
static void say(bool with_files) {
    uint8_t bytes[1024];
    int fds[MAX_FIGURES];
    unsigned count = 0;
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_FIGURES);
    wire_put_u64(&writer, TAG_FIGURES_OF, self.of);
    for (size_t index = 0; with_files && self.of != 0 && index < self.name_count; index++) {
        int tree = open_one(self.names[index]);
        if (tree < 0)
            continue;
        fds[count++] = tree;
        wire_put_text(&writer, TAG_FIGURE, self.names[index]);
    }
    if (wire_send(self.daemon, bytes, wire_finish(&writer, count), fds, count) != 0 && errno != EAGAIN)
        _exit(0);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
}

// By this the daemon can end us when we hang.
static void introduce(void) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    cleanup_fd int own = sys_pidfd_open(getpid());
    wire_start(&writer, bytes, sizeof bytes, MSG_FIGURES_WATCHER);
    if (own < 0 || wire_send(self.daemon, bytes, wire_finish(&writer, 1), &own, 1) != 0)
        _exit(1);
}

static bool is_asked(void) {
    uint8_t bytes[256];
    int fds[WIRE_MAX_FDS];
    unsigned count;
    struct wire_reader reader;
    ssize_t length = wire_receive(self.daemon, bytes, sizeof bytes, fds, &count);
    if (length <= 0)
        _exit(0);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    return wire_open(&reader, bytes, (size_t)length) && reader.type == MSG_FIGURES;
}

_Noreturn void figures_watch(int daemon, struct wire_reader *request) {
    (void)prctl(PR_SET_NAME, "dockersh-figure");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    self.daemon = daemon;
    parse(request);
    cleanup_fd int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (self.folder == NULL || self.pid_file == NULL || mounts < 0)
        _exit(1);
    introduce();
    bool wanted = false;
    for (uint64_t before = UINT64_MAX;; before = self.of) {
        self.of = look();
        if (self.of == 0)
            close_fd_at(&self.lxcfs);
        else if (self.lxcfs < 0)
            find_process();
        if (self.of != 0 || before != 0)
            say(wanted || self.of != before);
        struct pollfd polled[] = {{.fd = daemon, .events = POLLIN},
                                  {.fd = mounts, .events = POLLPRI}, // the host's mounts have changed
                                  {.fd = self.lxcfs, .events = POLLIN}};
        (void)poll(polled, 3, self.of != 0 ? LOOK_MS : self.mounted ? LOOK_AGAIN_MS : -1);
        wanted = polled[0].revents != 0 && is_asked();
        if (polled[2].revents == 0)
            continue;
        close_fd_at(&self.lxcfs); // it has ended: nobody need wait for the next look
        self.of = 0;
        say(false);
    }
}
