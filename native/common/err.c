#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void fill(struct err *err, int number, const char *what, const char *object) {
    if (err == NULL)
        return;
    err->number = number;
    err->reason = 0;
    (void)snprintf(err->what, sizeof err->what, "%s", what);
    (void)snprintf(err->object, sizeof err->object, "%s", object != NULL ? object : "");
}

int err_sys(struct err *err, const char *what, const char *object) {
    fill(err, errno, what, object);
    return -1;
}

int err_plain(struct err *err, const char *what, const char *object) {
    fill(err, 0, what, object);
    return -1;
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
