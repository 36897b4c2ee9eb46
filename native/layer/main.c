// dockersh-layer: turns archives into layers and back, and does other jobs on trees of files. Started by the
// daemon as root, never on the path of a warm login. Its jobs:
//
//   unpack PATH           archive on stdin into the empty folder PATH; one JSON line on stdout
//   pack PATH             the folder PATH as a canonical archive on stdout; on stderr what was left out, and
//                         last one JSON line
//   list                  what is in the archive on stdin (list.h)
//   diff UPPER LOWER...   what a layer changes of those below it, topmost first (diff.h)
//   chain OUT LAYER...    what a stack of layers, topmost first, says beyond each, in the new folder OUT
//   copy FROM TO          a user's layer as it is, to the new folder TO; one JSON line on stdout
//                         when it is read, and the end when it is on the disk
//   follow FROM TO        the same while others change it; "ready" on stdout when that is done, and at a
//                         byte on stdin what has changed meanwhile (copy/copy.h)
//   swap PATH PATH        two folders change places, atomically
//   usage PATH            entries and bytes on the disk; one JSON line on stdout
//   project ID PATH       makes the folder PATH, with all that is in it, a project's (project.h)
//   remove PATH           the folder PATH with all that is in it
//
// It trusts its arguments, which are the daemon's, and nothing that it reads. `unpack` is two processes:
// this one keeps CAP_SYS_ADMIN and reads no archive (marker.h), its child reads the archive with neither
// that nor any way out of the folder (confine.h). The others follow no link and give up what they need
// no capability for. Around each that reads what is not the daemon's there is a second wall (wall.h).
//
// The exit status says what kind of failure it was (report.h), one line on stderr the reason.

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arguments.h"
#include "cleanup.h"
#include "confine.h"
#include "copy/job.h"
#include "decimal.h"
#include "jobs/chain.h"
#include "jobs/diff.h"
#include "jobs/list.h"
#include "jobs/pack.h"
#include "jobs/project.h"
#include "jobs/usage.h"
#include "profile.h"
#include "report.h"
#include "unpack/job.h"
#include "walk/remove.h"
#include "wall.h"

static int run_unpack(const struct arguments *arguments) {
    const struct unpack_options options = {
        .limits = &arguments->limits, .uids = arguments->uids, .gids = arguments->gids};
    if ((options.uids.count == 0) != (options.gids.count == 0))
        return arguments_usage();
    return unpack_job(arguments->paths[0], &options);
}

// The folder that something lies in, for who makes it or takes it away.
static const char *folder_of(const char *path) {
    static char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return ".";
    *(slash == folder ? slash + 1 : slash) = '\0';
    return folder;
}

static int wall_around(const char *job, const struct wall_folder *folders, size_t count, struct err *err) {
    char profile[64];
    (void)snprintf(profile, sizeof profile, "dockersh-layer-%s", job);
    int attribute = profile_open("dockersh-layer");
    profile_enter(&attribute, profile);
    return wall_build(folders, count, err);
}

// Around folders that are read, and one that is written to.
static int wall_around_all(char *const *read, size_t count, const char *written, struct err *err) {
    cleanup_free struct wall_folder *folders = calloc(count + 1, sizeof *folders);
    if (folders == NULL)
        return err_sys(err, "allocate", "");
    for (size_t index = 0; index < count; index++)
        folders[index].path = read[index];
    folders[count] = (struct wall_folder){.path = written, .writable = true};
    return wall_around("chain", folders, count + 1, err);
}

static int run_pack(const struct arguments *arguments) {
    struct err err = {0};
    struct pack_result result = {0};
    const struct pack_options options = {.limits = &arguments->limits,
                                         .overlay = arguments->overlay,
                                         .skip_zeros = arguments->skip_zeros,
                                         .part = arguments->part,
                                         .uids = arguments->uids,
                                         .gids = arguments->gids};
    static char place[PATH_MAX];
    // Trusted attributes, where overlay keeps its marks, are shown to CAP_SYS_ADMIN alone (xattr(7)).
    uint64_t keep = arguments->overlay ? CAP_BIT(CAPABILITY_SYS_ADMIN) : 0;
    const struct wall_folder folder = {.path = arguments->paths[0]};
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | keep, &err) < 0 ||
        wall_around("pack", &folder, 1, &err) < 0)
        return fail(&err, NULL, false, 0);
    if (pack(arguments->paths[0], STDOUT_FILENO, &options, &result, place, &err) < 0)
        return fail(&err, place, false, 0);
    (void)fprintf(stderr,
                  "{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64
                  ",\"skippedSockets\":%" PRIu64 ",\"skippedXattrs\":%" PRIu64 ",\"changed\":%" PRIu64
                  ",\"leftOut\":%" PRIu64 "}\n",
                  result.entries, result.bytes, result.skipped_devices, result.skipped_sockets,
                  result.skipped_xattrs, result.changed, result.left_out);
    return 0;
}

static int run_list(const struct arguments *arguments) {
    struct err err = {0};
    if (confine_drop(0, &err) < 0 || confine_limit(&arguments->limits, &err) < 0 ||
        wall_around("list", NULL, 0, &err) < 0 || list(STDIN_FILENO, &arguments->limits, &err) < 0)
        return fail(&err, NULL, false, 0);
    return 0;
}

// One descriptor a level and layer: more than the usual limit where folders are nested deeply.
static void allow_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); // where it fails, opening says so
    }
}

static int run_diff(const struct arguments *arguments) {
    struct err err = {0};
    static char place[PATH_MAX];
    const struct diff_options options = {.limits = &arguments->limits,
                                         .lowers = (const char *const *)arguments->paths + 1,
                                         .lower_count = (size_t)arguments->path_count - 1,
                                         .uids = arguments->uids,
                                         .gids = arguments->gids};
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_SYS_ADMIN), &err) < 0 ||
        wall_calls(WALL_HANDLES, &err) < 0)
        return fail(&err, NULL, false, 0);
    if (diff(arguments->paths[0], &options, place, &err) < 0)
        return fail(&err, place, false, 0);
    return 0;
}

static int run_chain(const struct arguments *arguments) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_CHOWN) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_FOWNER) |
                                 CAP_BIT(CAPABILITY_FSETID) | CAP_BIT(CAPABILITY_SYS_ADMIN) |
                                 CAP_BIT(CAPABILITY_SETFCAP);
    struct err err = {0};
    struct chain_result result = {0};
    static char place[PATH_MAX];
    (void)umask(0);
    if (confine_drop(keep, &err) < 0 ||
        wall_around_all(arguments->paths + 1, (size_t)arguments->path_count - 1,
                        folder_of(arguments->paths[0]), &err) < 0)
        return fail(&err, NULL, false, 0);
    if (chain(arguments->paths[0], (const char *const *)arguments->paths + 1,
              (size_t)arguments->path_count - 1, &arguments->limits, &result, place, &err) < 0)
        return fail(&err, place, false, 0);
    (void)printf("{\"folders\":%" PRIu64 ",\"layers\":%" PRIu64 "}\n", result.folders, result.layers);
    return fflush(stdout) == 0 ? 0 : FAILURE_SYSTEM;
}

// One descriptor a level and side.
static int run_follow(const struct arguments *arguments) {
    allow_descriptors();
    return copy_follow_job(arguments);
}

// rename(2), RENAME_EXCHANGE: whoever looks sees the one or the other, and a crash leaves both.
static int run_swap(const struct arguments *arguments) {
    static const unsigned exchange = 2;
    struct err err = {0};
    if (syscall(SYS_renameat2, AT_FDCWD, arguments->paths[0], AT_FDCWD, arguments->paths[1], exchange) < 0) {
        (void)err_sys(&err, "exchange", arguments->paths[0]);
        return fail(&err, NULL, false, 0);
    }
    return 0;
}

static int run_usage(const struct arguments *arguments) {
    struct err err = {0};
    struct usage_result result = {0};
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH), &err) < 0 || wall_calls(0, &err) < 0 ||
        usage_of(arguments->paths[0], &result, &err) < 0)
        return fail(&err, NULL, false, 0);
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n", result.entries, result.bytes);
    return fflush(stdout) == 0 ? 0 : FAILURE_SYSTEM;
}

static int run_project(const struct arguments *arguments) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_CHOWN) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_FOWNER) |
                                 CAP_BIT(CAPABILITY_FSETID) | CAP_BIT(CAPABILITY_LINUX_IMMUTABLE) |
                                 CAP_BIT(CAPABILITY_MKNOD);
    struct err err = {0};
    static char place[PATH_MAX];
    uint64_t id;
    if (decimal_parse(arguments->paths[0], strlen(arguments->paths[0]), &id) < 0 || id > UINT32_MAX)
        return arguments_usage();
    (void)umask(0);
    if (confine_drop(keep, &err) < 0 || wall_calls(WALL_DEVICES, &err) < 0 ||
        project_mark(arguments->paths[1], (uint32_t)id, place, &err) < 0)
        return fail(&err, place, false, 0);
    return 0;
}

static int run_remove(const struct arguments *arguments) {
    struct err err = {0};
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_OVERRIDE) | CAP_BIT(CAPABILITY_FOWNER), &err) < 0 ||
        wall_calls(0, &err) < 0 || tree_remove_all(AT_FDCWD, arguments->paths[0], &err) < 0)
        return fail(&err, NULL, false, 0);
    return 0;
}

static const struct job {
    const char *name;
    int least_paths, most_paths;
    int (*run)(const struct arguments *arguments);
} jobs[] = {
    {"unpack", 1, 1, run_unpack},   {"pack", 1, 1, run_pack},       {"list", 0, 0, run_list},
    {"diff", 1, 10000, run_diff},   {"chain", 2, 10000, run_chain}, {"copy", 2, 2, copy_job},
    {"follow", 2, 2, run_follow},   {"swap", 2, 2, run_swap},       {"usage", 1, 1, run_usage},
    {"project", 2, 2, run_project}, {"remove", 1, 1, run_remove},
};

// A daemon that is killed must not leave a job behind that writes where the next daemon clears up. Where it
// died before prctl(), its end of stderr is closed by now; whoever runs this by hand has a file or a terminal
// there.
static bool die_with_parent(void) {
    struct pollfd peer = {.fd = STDERR_FILENO};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return poll(&peer, 1, 0) >= 0 && (peer.revents & (POLLHUP | POLLERR)) == 0;
}

int main(int argc, char **argv) {
    struct arguments arguments = {.limits = LIMITS_DEFAULT};
    if (!die_with_parent())
        return FAILURE_SYSTEM;
    if (!arguments_take(&arguments, argc, argv))
        return arguments_usage();
    for (size_t index = 0; index < sizeof jobs / sizeof *jobs; index++) {
        const struct job *job = &jobs[index];
        if (strcmp(argv[1], job->name) != 0)
            continue;
        if (arguments.path_count < job->least_paths || arguments.path_count > job->most_paths)
            return arguments_usage();
        allow_descriptors();
        return job->run(&arguments);
    }
    return arguments_usage();
}
