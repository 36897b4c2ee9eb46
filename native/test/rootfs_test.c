// A folder that is not there is the failure of what it was meant for, not of whoever opens it.
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "err.h"
#include "rootfs/in_root.h"

int main(void) {
    static const enum failure purposes[] = {FAILURE_MOUNT, FAILURE_IMAGE, FAILURE_HOME};
    struct err err = {0};
    for (size_t index = 0; index < sizeof purposes / sizeof purposes[0]; index++) {
        CHECK(clone_tree("/nothing/of/that/name", false, -1, purposes[index], &err) == -1);
        CHECK(err.code == purposes[index] && err.number == ENOENT);
    }
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    CHECK(open_in_root(root, "nothing/of/that/name", &err) == -1);
    CHECK(err.code == FAILURE_IMAGE && err.number == ENOENT);
    (void)close(root);
    (void)printf("rootfs_test: ok\n");
    return 0;
}
