#include "network/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "rootfs/in_root.h"
#include "sum.h"

#define FOLDER "dockersh"
#define NEW ".new"

static const char *const names[NETWORK_FILES] = {
    [FILE_RESOLV_CONF] = "resolv.conf", [FILE_PUBLISHED] = "published"};

// Never 0.
static uint64_t sum_of(const char *text, size_t length) {
    uint64_t sum = SUM_START;
    sum_add(&sum, text, length);
    return sum | 1;
}

int network_files_open(struct network_files *files, int root, uid_t uid, gid_t gid, struct err *err) {
    cleanup_fd int run = open_in_root(root, "run", err);
    if (run < 0)
        return -1;
    if ((mkdirat(run, FOLDER, 0755) != 0 && errno != EEXIST) ||
        fchownat(run, FOLDER, uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, "make folder in /run", FOLDER);
    files->folder = openat(run, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return files->folder >= 0 ? 0 : err_sys(err, "open folder in /run", FOLDER);
}

void network_files_close(struct network_files *files) {
    close_fd_at(&files->folder);
}

// ---- what they say ---------------------------------------------------------------------------------------

static void write_range(FILE *to, const struct net_published *range, unsigned first, unsigned last,
                        int missing) {
    char address[INET6_ADDRSTRLEN], outside[16], inside[16];
    if (inet_ntop(range->address.family, range->address.address, address, sizeof address) == NULL)
        return;
    const unsigned from[] = {range->outside.first, range->inside.first};
    char *const texts[] = {outside, inside};
    for (size_t index = 0; index < 2; index++) {
        if (first == last)
            (void)snprintf(texts[index], sizeof outside, "%u", from[index] + first);
        else
            (void)snprintf(texts[index], sizeof outside, "%u-%u", from[index] + first, from[index] + last);
    }
    (void)fprintf(to, "%s%s %s %s %s%s%s\n", missing != 0 ? "# missing: " : "",
                  range->protocol == NET_TCP ? "tcp" : "udp", address, outside, inside,
                  missing != 0 ? " # " : "", missing != 0 ? strerror(missing) : "");
}

// Ports that fare alike are one line.
static void write_published(FILE *to, const struct net_plan *plan, const struct publisher *publisher) {
    (void)fprintf(to, "# Published ports: protocol, address of the host, its ports, ports of this sandbox\n");
    for (size_t index = 0; index < plan->published_count; index++) {
        const struct net_published *range = &plan->published[index];
        unsigned count = range->outside.last - range->outside.first + 1u, first = 0;
        int missing = publish_missing(publisher, range, 0);
        for (unsigned offset = 1; offset <= count; offset++) {
            int next = offset < count ? publish_missing(publisher, range, offset) : -1;
            if (next == missing)
                continue;
            write_range(to, range, first, offset - 1, missing);
            first = offset;
            missing = next;
        }
    }
}

// ---- writing ---------------------------------------------------------------------------------------------

// The change of an inode has a time that nobody can set.
static bool is_ours(const struct network_files *files, enum network_file file) {
    struct stat now;
    const struct written *written = &files->written[file];
    if (written->inode == 0)
        return true;
    return fstatat(files->folder, names[file], &now, AT_SYMLINK_NOFOLLOW) == 0 &&
           now.st_ino == written->inode && now.st_ctim.tv_sec == written->changed.tv_sec &&
           now.st_ctim.tv_nsec == written->changed.tv_nsec;
}

// Beside the old one, in whose place it then is at once. The folder is the sandbox's root's, who may put
// anything there meanwhile: nothing that was there before is opened, and no link followed.
static void write_file(struct network_files *files, enum network_file file, const char *text, size_t length) {
    char name[32];
    struct stat folder, info;
    (void)snprintf(name, sizeof name, "%s" NEW, names[file]);
    if (!is_ours(files, file) || fstat(files->folder, &folder) != 0)
        return;
    (void)unlinkat(files->folder, name, 0);
    cleanup_fd int fd =
        openat(files->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, text, length) != (ssize_t)length || fchmod(fd, 0644) != 0 ||
        fchown(fd, folder.st_uid, folder.st_gid) != 0 ||
        renameat(files->folder, name, files->folder, names[file]) != 0 || fstat(fd, &info) != 0) {
        (void)unlinkat(files->folder, name, 0);
        return;
    }
    files->written[file] =
        (struct written){.inode = info.st_ino, .changed = info.st_ctim, .sum = sum_of(text, length)};
}

void network_files_write(struct network_files *files, const struct net_plan *plan,
                         const struct publisher *publisher) {
    for (enum network_file file = 0; file < NETWORK_FILES && files->folder >= 0; file++) {
        cleanup_free char *text = NULL;
        size_t length = 0;
        FILE *to = open_memstream(&text, &length);
        if (to == NULL)
            return;
        if (file == FILE_PUBLISHED)
            write_published(to, plan, publisher);
        else if (plan->resolv_conf != NULL)
            (void)fputs(plan->resolv_conf, to);
        bool is_whole = ferror(to) == 0;
        if (fclose(to) == 0 && is_whole && files->written[file].sum != sum_of(text, length))
            write_file(files, file, text, length);
    }
}
