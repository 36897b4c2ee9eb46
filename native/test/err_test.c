// Tells failures apart that have the same errno: of a disk, of a process that was to be made, of anything
// else.
#include "check.h"

#include <errno.h>
#include <string.h>

#include "err.h"

static void errno_means_what_was_done(void) {
    struct err err = {0};
    errno = ENOSPC;
    CHECK(err_sys(&err, "make namespaces", NULL) == -1 && err.code == FAILURE_SYSTEM && err.number == ENOSPC);
    errno = ENOSPC;
    CHECK(err_disk(&err, FAILURE_MOUNT, "make folder", "x") == -1 && err.code == FAILURE_FULL);
    errno = EDQUOT;
    CHECK(err_disk(&err, FAILURE_SYSTEM, "make folder", "x") == -1 && err.code == FAILURE_FULL);
    errno = EACCES;
    CHECK(err_disk(&err, FAILURE_MOUNT, "make folder", "x") == -1 && err.code == FAILURE_MOUNT);
    errno = EAGAIN;
    CHECK(err_sys(&err, "ask the spawner", NULL) == -1 && err.code == FAILURE_SYSTEM);
    errno = EAGAIN;
    CHECK(err_fork(&err, FAILURE_SHELL, "run /bin/sh", NULL) == -1 && err.code == FAILURE_PROCESSES);
    errno = ENOENT;
    CHECK(err_fork(&err, FAILURE_SHELL, "run /bin/sh", NULL) == -1 && err.code == FAILURE_SHELL);
}

// Unless the failure has a number of its own, which says more.
static void a_kernel_without_it_is_told(void) {
    static const int missing[] = {ENOSYS, EOPNOTSUPP};
    struct err err = {0};
    for (size_t index = 0; index < sizeof missing / sizeof missing[0]; index++) {
        errno = missing[index];
        CHECK(err_sys(&err, "mount", NULL) == -1 && err.code == FAILURE_KERNEL);
        errno = missing[index];
        CHECK(err_disk(&err, FAILURE_SYSTEM, "mount", NULL) == -1 && err.code == FAILURE_KERNEL);
        errno = missing[index];
        CHECK(err_code(&err, FAILURE_MOUNT, "mount", NULL) == -1 && err.code == FAILURE_MOUNT);
    }
}

static void the_text_has_it_all(void) {
    struct err err = {0};
    char text[64];
    CHECK(err_plain(&err, FAILURE_IDS, "an id above 65535", "") == -1 && err.number == 0);
    err_text(&err, text, sizeof text);
    CHECK(strcmp(text, "an id above 65535") == 0);
    errno = ENOENT;
    (void)err_sys(&err, "open", "/x");
    err_text(&err, text, sizeof text);
    CHECK(strncmp(text, "open '/x': ", 11) == 0 && strstr(text, "(errno 2)") != NULL);
    CHECK(err_plain(NULL, FAILURE_IDS, "nobody asks", NULL) == -1);
}

int main(void) {
    errno_means_what_was_done();
    a_kernel_without_it_is_told();
    the_text_has_it_all();
    (void)printf("err_test: ok\n");
    return 0;
}
