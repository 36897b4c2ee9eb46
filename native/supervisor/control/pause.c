#include "control/pause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "control/tell.h"

// Every process stops at the border between kernel and program, so no call of the kernel (the copying of a
// file into the user's layer is one) is cut in two. What waits for something else in the kernel, a network
// file system for instance, may take long: then nothing is paused.
#define FREEZE_ATTEMPTS 500 // of a millisecond each

struct freezer {
    const char *control, *freeze, *thaw; // a file of the cgroup, and what is written into it
    const char *state, *frozen;          // a file that holds this text when everything stands still
};

// freezer-subsystem.rst (v1), cgroup-v2.rst.
static const struct freezer freezers[] = {
    [1] = {"freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN"},
    [2] = {"cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"},
};

// The hierarchy with the freezer: on v1 it is one of several.
static int open_file(const struct cgroups *cgroups, const char *file, int flags) {
    for (size_t index = 0; index < cgroups->count; index++) {
        char path[768];
        (void)snprintf(path, sizeof path, "%s/%s/%s", cgroups->parents[index], cgroups->name, file);
        int fd = open(path, flags | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    return -1;
}

static int command(const struct cgroups *cgroups, const char *file, const char *text, struct err *err) {
    cleanup_fd int fd = open_file(cgroups, file, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return err_sys(err, "write the freezer's", file);
    return 0;
}

static bool is_frozen(const struct cgroups *cgroups, const struct freezer *freezer) {
    char text[256];
    cleanup_fd int fd = open_file(cgroups, freezer->state, O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0)
        return false;
    text[length] = '\0';
    return strstr(text, freezer->frozen) != NULL;
}

static void tell(const struct supervisor *supervisor, bool paused, const char *why) {
    uint8_t bytes[768];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_PAUSED);
    wire_put_u32(&writer, TAG_SLOT, supervisor->pause);
    wire_put_u32(&writer, TAG_CODE, paused ? 1 : 0);
    wire_put_text(&writer, TAG_TEXT, why);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

static int freeze(const struct cgroups *cgroups, struct err *err) {
    const struct freezer *freezer = &freezers[cgroups->version];
    if (command(cgroups, freezer->control, freezer->freeze, err) != 0)
        return -1;
    for (int attempt = 0; attempt < FREEZE_ATTEMPTS; attempt++) {
        if (is_frozen(cgroups, freezer))
            return 0;
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    struct err ignored = {0};
    (void)command(cgroups, freezer->control, freezer->thaw, &ignored);
    return err_plain(err, FAILURE_SYSTEM, "a program in it waits for something that can't be interrupted",
                     NULL);
}

void pause_request(struct supervisor *supervisor, struct wire_reader *reader) {
    uint32_t milliseconds = 0, number = 0;
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_PAUSE_MS)
            (void)wire_u32(&field, &milliseconds);
        else if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &number);
    }
    pause_end(supervisor);
    supervisor->pause = number;
    if (milliseconds == 0)
        return;
    struct err err = {0};
    char why[400] = "";
    if (supervisor->state != STATE_RUNNING)
        (void)err_plain(&err, FAILURE_STOPPING, "it is not running", NULL);
    else if (freeze(&supervisor->cgroups, &err) == 0)
        supervisor->thaw_at_ns = monotonic_ns() + milliseconds * 1000000ull;
    if (err.code != FAILURE_NONE)
        err_text(&err, why, sizeof why);
    tell(supervisor, supervisor->thaw_at_ns != NEVER, why);
}

void pause_end(struct supervisor *supervisor) {
    if (supervisor->thaw_at_ns == NEVER)
        return;
    const struct freezer *freezer = &freezers[supervisor->cgroups.version];
    struct err err = {0};
    // It can't fail: the file is there, and thawing needs nothing. If it did, trying again is all there is.
    if (command(&supervisor->cgroups, freezer->control, freezer->thaw, &err) != 0) {
        supervisor->thaw_at_ns = monotonic_ns() + 1000000000u;
        return;
    }
    supervisor->thaw_at_ns = NEVER;
    tell(supervisor, false, "");
}
