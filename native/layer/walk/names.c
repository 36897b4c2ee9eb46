#include "walk/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static int by_name(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

void names_clear(struct names *names) {
    for (size_t index = 0; index < names->count; index++)
        free(names->names[index]);
    free(names->names);
    *names = (struct names){0};
}

static int add_name(struct names *names, const char *name, struct err *err) {
    // Grown at powers of two: the count itself says when the room is used up.
    if ((names->count & (names->count - 1)) == 0) {
        size_t room = names->count == 0 ? 1 : names->count * 2;
        char **grown = reallocarray(names->names, room, sizeof *grown);
        if (grown == NULL)
            return err_sys(err, "remember names", "");
        names->names = grown;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return err_sys(err, "remember names", "");
    names->names[names->count++] = copy;
    return 0;
}

int names_read(int folder, struct names *names, struct err *err) {
    *names = (struct names){0};
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (stream == NULL) {
        close_fd(copy);
        return err_sys(err, "read the folder", "");
    }
    struct dirent *entry;
    int failed = 0;
    while (failed == 0 && (errno = 0, entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            failed = add_name(names, entry->d_name, err);
    if (failed == 0 && errno != 0)
        failed = err_sys(err, "read the folder", "");
    (void)closedir(stream);
    if (failed != 0)
        names_clear(names);
    else if (names->count > 1)
        qsort(names->names, names->count, sizeof *names->names, by_name);
    return failed;
}
