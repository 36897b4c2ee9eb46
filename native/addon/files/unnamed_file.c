#include "files/unnamed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "later.h"

// By way of /proc: AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH, which root of a container may not have.
static void run_give_name(struct later *later) {
    char unnamed[32];
    (void)snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", later->in);
    if (linkat(AT_FDCWD, unnamed, AT_FDCWD, later->path, AT_SYMLINK_FOLLOW) != 0)
        later_failed(later, "linkat");
}

// giveName(fd, path): a file that was opened with O_TMPFILE gets a name, which must be free
napi_value give_name(napi_env env, napi_callback_info info) {
    napi_value values[2];
    size_t count = 2, length = 0;
    struct later *later = later_new(run_give_name, NULL);
    if (later != NULL && napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == 2 &&
        napi_get_value_int32(env, values[0], &later->in) == napi_ok &&
        napi_get_value_string_utf8(env, values[1], later->path, sizeof later->path, &length) == napi_ok &&
        length + 1 < sizeof later->path)
        return later_start(env, later, "giveName");
    free(later);
    (void)napi_throw_type_error(env, NULL, "expected a descriptor and a path");
    return NULL;
}
