#include "err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int fill(struct err *err, int number, enum failure code, const char *what, const char *object) {
    if (err == NULL)
        return -1;
    err->number = number;
    err->code = code;
    (void)snprintf(err->what, sizeof err->what, "%s", what);
    (void)snprintf(err->object, sizeof err->object, "%s", object != NULL ? object : "");
    return -1;
}

int err_code(struct err *err, enum failure code, const char *what, const char *object) {
    bool missing = code == FAILURE_SYSTEM && (errno == ENOSYS || errno == EOPNOTSUPP);
    return fill(err, errno, missing ? FAILURE_KERNEL : code, what, object);
}

int err_sys(struct err *err, const char *what, const char *object) {
    return err_code(err, FAILURE_SYSTEM, what, object);
}

int err_disk(struct err *err, enum failure code, const char *what, const char *object) {
    bool full = errno == ENOSPC || errno == EDQUOT;
    return err_code(err, full ? FAILURE_FULL : code, what, object);
}

int err_fork(struct err *err, enum failure code, const char *what, const char *object) {
    return err_code(err, errno == EAGAIN ? FAILURE_PROCESSES : code, what, object);
}

int err_plain(struct err *err, enum failure code, const char *what, const char *object) {
    return fill(err, 0, code, what, object);
}

void err_text(const struct err *err, char *text, size_t size) {
    const char *open = err->object[0] != '\0' ? " '" : "";
    const char *close = err->object[0] != '\0' ? "'" : "";
    if (err->number == 0)
        (void)snprintf(text, size, "%s%s%s%s", err->what, open, err->object, close);
    else
        (void)snprintf(text, size, "%s%s%s%s: %s (errno %d)", err->what, open, err->object, close,
                       strerror(err->number), err->number);
}
