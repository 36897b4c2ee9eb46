#include "jobs/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "walk/links.h"

// Deeper folders are not counted: only somebody who wants to be in the way makes them.
enum { MOST_LEVELS = 500 };

struct job {
    struct usage_result *result;
    struct link_table links;
};

static int count_folder(struct job *job, int folder_fd, unsigned level, struct err *err);

static int count_entry(struct job *job, int folder, const char *name, unsigned level, struct err *err) {
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return errno == ENOENT ? 0 : err_sys(err, "stat", name); // in use, so it may go any time
    job->result->entries++;
    int failed = 0;
    bool again = !S_ISDIR(info.st_mode) && info.st_nlink > 1 &&
                 links_first(&job->links, info.st_dev, info.st_ino, "", &failed) != NULL;
    if (failed != 0)
        return err_sys(err, "remember a hard link", "");
    if (!again)
        job->result->bytes += (uint64_t)info.st_blocks * 512;
    if (!S_ISDIR(info.st_mode) || level == MOST_LEVELS)
        return 0;
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "open the folder", name);
    return count_folder(job, inner, level + 1, err);
}

// Takes `folder_fd`.
static int count_folder(struct job *job, int folder_fd, unsigned level, struct err *err) {
    DIR *folder = fdopendir(folder_fd);
    if (folder == NULL) {
        close_fd(folder_fd);
        return err_sys(err, "read a folder", "");
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = count_entry(job, dirfd(folder), entry->d_name, level, err);
    if (result == 0 && errno != 0)
        result = err_sys(err, "read a folder", "");
    (void)closedir(folder);
    return result;
}

int usage_of(const char *path, struct usage_result *result, struct err *err) {
    struct job job = {.result = result};
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", path);
    int done = count_folder(&job, folder, 0, err);
    links_clear(&job.links);
    return done;
}
