// Shows in a view what it has of the host: programs and libraries, the files that sshd's monitor keeps its
// books in, terminals, the log's socket, and our own run folder. Nothing that a host's service listens on,
// but the log, which takes datagrams.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection/make.h"
#include "sys.h"

static bool is_program_folder(const char *name) {
    return strcmp(name, "usr") == 0 || strcmp(name, "bin") == 0 || strcmp(name, "sbin") == 0 ||
           strncmp(name, "lib", 3) == 0;
}

// Links as links, folders as trees.
static int add_programs(int root, struct err *err) {
    DIR *list = opendir("/");
    if (list == NULL)
        return err_sys(err, "read folder", "/");
    int added = 0;
    for (struct dirent *entry; added == 0 && (entry = readdir(list)) != NULL;) {
        char path[NAME_MAX + 2], link[4096];
        struct stat info;
        if (!is_program_folder(entry->d_name))
            continue;
        (void)snprintf(path, sizeof path, "/%s", entry->d_name);
        ssize_t length = readlink(path, link, sizeof link - 1);
        if (length > 0) {
            link[length] = '\0';
            added = symlinkat(link, root, entry->d_name) == 0 ? 0 : err_sys(err, "make link", path);
        } else if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
            added = view_show(root, path, path, VIEW_READ, err);
        }
    }
    (void)closedir(list);
    return added;
}

// Each file by itself, and of folders only those that hold nothing else: a socket can be connected to
// wherever it is shown, read-only or not.
static int add_books(int root, struct err *err) {
    static const char *const books[] = {"/var/log/lastlog", "/var/log/wtmp",   "/var/log/btmp",
                                        "/run/utmp",        "/var/lib/wtmpdb", "/var/lib/lastlog"};
    for (size_t index = 0; index < sizeof books / sizeof books[0]; index++)
        if (view_show(root, books[index], books[index], VIEW_BOOK, err) != 0)
            return -1;
    return symlinkat("/run", root, "var/run") == 0 ? 0 : err_sys(err, "make link", "/var/run");
}

static int make_device(int dev, const char *name, unsigned major, unsigned minor, struct err *err) {
    if (mknodat(dev, name, S_IFCHR | 0666, makedev(major, minor)) != 0 || fchmodat(dev, name, 0666, 0) != 0)
        return err_sys(err, "make device", name);
    return 0;
}

// Whether who connects to it can only send datagrams there, which no forward of sshd's does.
static bool takes_datagrams(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static int add_log(int root, struct err *err) {
    static const char journal[] = "/run/systemd/journal/dev-log";
    struct stat info;
    if (lstat("/dev/log", &info) != 0 || !takes_datagrams("/dev/log"))
        return 0;
    if (S_ISSOCK(info.st_mode))
        return view_show(root, "/dev/log", "/dev/log", VIEW_READ, err);
    if (access(journal, F_OK) != 0)
        return 0;
    if (view_show(root, journal, journal, VIEW_READ, err) != 0)
        return -1;
    return symlinkat(journal, root, "dev/log") == 0 ? 0 : err_sys(err, "make link", "/dev/log");
}

// ptmx is looked up beside the folder pts (devpts.rst): it has to be a device of its own there.
static int add_devices(int root, struct err *err) {
    static const struct {
        const char *name;
        unsigned major, minor;
    } devices[] = {{"null", 1, 3},    {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8},
                   {"urandom", 1, 9}, {"tty", 5, 0},  {"ptmx", 5, 2}};
    cleanup_fd int point = view_point(root, "/dev", true);
    cleanup_fd int fs = sys_fsopen("tmpfs", SYS_FSOPEN_CLOEXEC);
    if (point < 0 || fs < 0 || sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "mode", "0755") != 0 ||
        sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "size", "64k") != 0 ||
        sys_fsconfig(fs, SYS_FSCONFIG_CMD_CREATE, NULL, NULL) != 0)
        return err_sys(err, "mount", "/dev");
    cleanup_fd int tmpfs =
        sys_fsmount(fs, SYS_FSMOUNT_CLOEXEC, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NOEXEC);
    if (tmpfs < 0 ||
        sys_move_mount(tmpfs, "", point, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return err_sys(err, "mount", "/dev");
    for (size_t index = 0; index < sizeof devices / sizeof devices[0]; index++)
        if (make_device(tmpfs, devices[index].name, devices[index].major, devices[index].minor, err) != 0)
            return -1;
    if (add_log(root, err) != 0)
        return -1;
    return view_show(root, "/dev/pts", "/dev/pts", VIEW_TERMINALS, err);
}

// Where they are below what is shown already, they are there.
static int add_own(int root, const struct parts *parts, struct err *err) {
    if (view_show(root, parts->run, parts->run, VIEW_READ, err) != 0)
        return -1;
    const char *folder = parts->client_folder;
    char first[NAME_MAX + 1];
    (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(folder + 1, "/"), folder + 1);
    if (is_program_folder(first) || parts_is_in(folder, parts->run))
        return 0;
    return view_show(root, folder, folder, VIEW_READ, err);
}

int view_add_host(int root, const struct parts *parts, struct err *err) {
    static const char *const empty[] = {"/proc", "/sys", "/var/log", "/run"};
    for (size_t index = 0; index < sizeof empty / sizeof empty[0]; index++) {
        cleanup_fd int point = view_point(root, empty[index], true);
        if (point < 0)
            return err_sys(err, "make folder in the view", empty[index]);
    }
    if (add_programs(root, err) != 0 || add_devices(root, err) != 0 || add_books(root, err) != 0)
        return -1;
    return add_own(root, parts, err);
}
