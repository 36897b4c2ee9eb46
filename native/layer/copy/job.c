#include "copy/job.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "copy/copy.h"
#include "report.h"
#include "wall.h"

// Of what the last pass has to do: a few milliseconds' worth.
enum { MOST_PASSES = 4, FEW_FILES = 64, FEW_BYTES = 16 * 1024 * 1024 };

static int confine(struct err *err) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_CHOWN) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_FOWNER) |
                                 CAP_BIT(CAPABILITY_FSETID) | CAP_BIT(CAPABILITY_SYS_ADMIN) |
                                 CAP_BIT(CAPABILITY_MKNOD) | CAP_BIT(CAPABILITY_SETFCAP);
    (void)umask(0);
    return confine_drop(keep, err) < 0 || wall_calls(0, err) < 0 ? -1 : 0;
}

// Told before it is on the disk: a sandbox that was paused for this may run on while that is waited for.
static int tell(const struct copy_result *result, struct err *err) {
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64
                 ",\"skippedMounts\":%" PRIu64 "}\n",
                 result->entries, result->bytes, result->skipped_devices, result->skipped_mounts);
    return fflush(stdout) == 0 ? 0 : err_sys(err, "report", "");
}

// Until what is left to do is little, or does not become less.
static int catch_up(struct copy *copy, struct err *err) {
    if (copy_pass(copy, err) < 0)
        return -1;
    for (int pass = 1; pass < MOST_PASSES && copy->copied.tells_changes; pass++) {
        const struct copy_result before = copy->result;
        if (copy_pass(copy, err) < 0)
            return -1;
        const struct copy_result *now = &copy->result;
        if ((now->changed <= FEW_FILES && now->changed_bytes <= FEW_BYTES) ||
            (now->changed >= before.changed && now->changed_bytes >= before.changed_bytes))
            break;
    }
    return 0;
}

// The other end says that nobody is at work in the tree, or closes the pipe because it has given up.
static int wait_for_word(struct err *err) {
    char word;
    ssize_t length;
    (void)printf("ready\n");
    if (fflush(stdout) != 0)
        return err_sys(err, "report", "");
    do
        length = read(STDIN_FILENO, &word, 1);
    while (length < 0 && errno == EINTR);
    if (length == 1)
        return 0;
    return length < 0 ? err_sys(err, "wait for a word", "")
                      : err_plain(err, FAILURE_SYSTEM, "nobody wants the copy any more", "");
}

static int run(const struct arguments *arguments, bool follow) {
    struct err err = {0};
    struct copy copy;
    static char place[PATH_MAX];
    const struct copy_options options = {.limits = &arguments->limits,
                                         .one_file_system = arguments->one_file_system,
                                         .follow = follow,
                                         .for_image = arguments->for_image};
    if (confine(&err) < 0)
        return fail(&err, NULL, false, 0);
    int done = copy_open(&copy, arguments->paths[0], arguments->paths[1], &options, place, &err);
    if (done == 0 && follow) {
        done = catch_up(&copy, &err);
        if (done == 0)
            done = wait_for_word(&err);
    }
    copy.last = true;
    if (done == 0)
        done = copy_pass(&copy, &err);
    if (done == 0)
        done = tell(&copy.result, &err);
    // What an image is made of is thrown away afterwards.
    if (done == 0 && !options.for_image && syncfs(copy.to) < 0)
        done = err_sys(&err, "write the copy to the disk", arguments->paths[1]);
    copy_close(&copy);
    return done < 0 ? fail(&err, place, false, 0) : 0;
}

int copy_job(const struct arguments *arguments) {
    return run(arguments, false);
}

int copy_follow_job(const struct arguments *arguments) {
    return run(arguments, true);
}
