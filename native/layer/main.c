// dockersh-layer: image layers between archives and folders. Started by the daemon as root, never on the
// path of a login. Its jobs:
//
//   unpack PATH           archive on stdin into the empty folder PATH; one JSON line on stdout
//   pack PATH             the folder PATH as a canonical archive on stdout; one JSON line on stderr
//   list                  what is in the archive on stdin (list.h)
//   diff UPPER LOWER...   what a layer changes of those below it, topmost first (diff.h)
//   copy FROM TO          a user's layer as it is, to the new folder TO; one JSON line on stdout
//   swap PATH PATH        two folders change places, atomically
//   usage PATH            entries and bytes on the disk; one JSON line on stdout
//   remove PATH           the folder PATH with all that is in it
//
// It trusts its arguments, which are the daemon's, and nothing that it reads. `unpack` is two processes:
// this one keeps CAP_SYS_ADMIN and reads no archive (marker.h), its child reads the archive with neither
// that nor any way out of the folder (confine.h). The others follow no link and give up what they need
// no capability for.
//
// Exit status, as in sysexits(3h): 0; 64 wrong usage; 65 what was read is refused; 71 the system refused
// something. The reason is one line on stderr.

#include <errno.h>
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "confine.h"
#include "copy.h"
#include "diff.h"
#include "list.h"
#include "pack.h"
#include "pax.h"
#include "remove.h"
#include "unpack.h"
#include "usage.h"

enum { EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_SYSTEM = 71 };

// Names come from archives: what is not printable is shown as \xHH, so that the message stays one line
// and no terminal acts on it.
static void print_quoted(const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f || byte == '\\')
            (void)fprintf(stderr, "\\x%02x", byte);
        else
            (void)fputc(byte, stderr);
    }
}

static int fail(const struct err *err, const char *path, bool has_offset, uint64_t offset) {
    char text[512];
    err_text(err, text, sizeof text);
    (void)fputs("dockersh-layer: ", stderr);
    if (path != NULL && path[0] != '\0') {
        (void)fputs("entry '", stderr);
        print_quoted(path);
        (void)fputs("'", stderr);
    }
    if (has_offset)
        (void)fprintf(stderr, "%s%" PRIu64, path != NULL ? " at offset " : "at offset ", offset);
    if (has_offset || (path != NULL && path[0] != '\0'))
        (void)fputs(": ", stderr);
    print_quoted(text);
    (void)fputc('\n', stderr);
    return err->number != 0 ? EXIT_SYSTEM : EXIT_DATA;
}

struct arguments {
    struct limits limits;
    bool overlay;
    struct id_map uids, gids;
    char **paths;
    int path_count;
};

static int usage(void) {
    (void)fputs("usage: dockersh-layer unpack|pack|list|diff|copy|swap|usage|remove [--max-entries N] "
                "[--max-bytes N] [--max-depth N] [--max-path N] [--max-memory N] [--overlay yes] "
                "[--uid-map MAP] [--gid-map MAP] [PATH...]\n",
                stderr);
    return EXIT_USAGE;
}

// The reading process: the result goes to `marker`, failures to stderr.
static int unpack_child(int marker, const struct limits *limits) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_CHOWN) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_FOWNER) | CAP_BIT(CAPABILITY_FSETID) |
                                 CAP_BIT(CAPABILITY_SETFCAP);
    struct err err = {0};
    struct unpack_result result = {0};
    struct unpack_place place = {0};
    // The parent's death ends this process; where it died before this line, the socket says so.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct pollfd peer = {.fd = marker};
    if (poll(&peer, 1, 0) != 0)
        return EXIT_SYSTEM;
    (void)umask(0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    cleanup_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        (void)err_sys(&err, "open the folder", "");
        return fail(&err, NULL, false, 0);
    }
    if (confine_drop(keep, &err) < 0 || confine_limit(limits, &err) < 0)
        return fail(&err, NULL, false, 0);
    int done = unpack(STDIN_FILENO, root, marker, limits, &result, &place, &err);
    if (done < 0)
        return fail(&err, place.path, true, place.offset);
    if (marker_send_result(marker, &result, &err) < 0)
        return fail(&err, NULL, false, 0);
    return 0;
}

// Waits for the reading process, then for the disk: a layer that is reported is on it.
static int unpack_finish(pid_t child, int marker, struct err *err) {
    struct unpack_result result;
    int served = marker_serve(marker, &result, err);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(err, "wait for the unpacking process", ""), fail(err, NULL, false, 0);
    if (WIFSIGNALED(status)) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", WTERMSIG(status));
        (void)err_plain(err, "the unpacking process was ended by signal", number);
        return fail(err, NULL, false, 0);
    }
    if (WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status); // it has said why
    if (served <= 0)
        return fail(err, NULL, false, 0);
    cleanup_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || syncfs(root) < 0) {
        (void)err_sys(err, "write the layer to the disk", "");
        return fail(err, NULL, false, 0);
    }
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64
                 ",\"skippedXattrs\":%" PRIu64 ",\"whiteouts\":%" PRIu64 "}\n",
                 result.entries, result.bytes, result.skipped_devices, result.skipped_xattrs,
                 result.whiteouts);
    return fflush(stdout) == 0 ? 0 : EXIT_SYSTEM;
}

static int run_unpack(const struct arguments *arguments) {
    const char *path = arguments->paths[0];
    const struct limits *limits = &arguments->limits;
    struct err err = {0};
    int sockets[2];
    if (confine_enter(path, &err) < 0)
        return fail(&err, NULL, false, 0);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
        (void)err_sys(&err, "socketpair", "");
        return fail(&err, NULL, false, 0);
    }
    cleanup_fd int here = sockets[0];
    cleanup_fd int there = sockets[1];
    pid_t child = fork();
    if (child < 0) {
        (void)err_sys(&err, "fork", "");
        return fail(&err, NULL, false, 0);
    }
    if (child == 0) {
        close_fd_at(&here);
        _exit(unpack_child(there, limits));
    }
    close_fd_at(&there);
    // A reader that hangs on must see the archive end when the child is gone, not when this process is.
    (void)close(STDIN_FILENO);
    if (confine_drop(CAP_BIT(CAPABILITY_SYS_ADMIN), &err) < 0)
        return fail(&err, NULL, false, 0);
    return unpack_finish(child, here, &err);
}

static int run_pack(const struct arguments *arguments) {
    struct err err = {0};
    struct pack_result result = {0};
    const struct pack_options options = {.limits = &arguments->limits,
                                         .overlay = arguments->overlay,
                                         .uids = arguments->uids,
                                         .gids = arguments->gids};
    static char place[PATH_MAX];
    // Trusted attributes, where overlay keeps its marks, are shown to CAP_SYS_ADMIN alone (xattr(7)).
    uint64_t keep = arguments->overlay ? CAP_BIT(CAPABILITY_SYS_ADMIN) : 0;
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | keep, &err) < 0)
        return fail(&err, NULL, false, 0);
    if (pack(arguments->paths[0], STDOUT_FILENO, &options, &result, place, &err) < 0)
        return fail(&err, place, false, 0);
    (void)fprintf(stderr,
                  "{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64
                  ",\"skippedSockets\":%" PRIu64 ",\"skippedXattrs\":%" PRIu64 ",\"changed\":%" PRIu64 "}\n",
                  result.entries, result.bytes, result.skipped_devices, result.skipped_sockets,
                  result.skipped_xattrs, result.changed);
    return 0;
}

static int run_list(const struct arguments *arguments) {
    struct err err = {0};
    if (confine_drop(0, &err) < 0 || confine_limit(&arguments->limits, &err) < 0 ||
        list(STDIN_FILENO, &arguments->limits, &err) < 0)
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
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_SYS_ADMIN), &err) < 0)
        return fail(&err, NULL, false, 0);
    if (diff(arguments->paths[0], &options, place, &err) < 0)
        return fail(&err, place, false, 0);
    return 0;
}

static int run_copy(const struct arguments *arguments) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_CHOWN) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_DAC_READ_SEARCH) | CAP_BIT(CAPABILITY_FOWNER) |
                                 CAP_BIT(CAPABILITY_FSETID) | CAP_BIT(CAPABILITY_SYS_ADMIN) |
                                 CAP_BIT(CAPABILITY_MKNOD) | CAP_BIT(CAPABILITY_SETFCAP);
    struct err err = {0};
    struct copy_result result = {0};
    static char place[PATH_MAX];
    (void)umask(0);
    if (confine_drop(keep, &err) < 0)
        return fail(&err, NULL, false, 0);
    if (copy(arguments->paths[0], arguments->paths[1], &arguments->limits, &result, place, &err) < 0)
        return fail(&err, place, false, 0);
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64 "}\n",
                 result.entries, result.bytes, result.skipped_devices);
    return fflush(stdout) == 0 ? 0 : EXIT_SYSTEM;
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
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_READ_SEARCH), &err) < 0 ||
        usage_of(arguments->paths[0], &result, &err) < 0)
        return fail(&err, NULL, false, 0);
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n", result.entries, result.bytes);
    return fflush(stdout) == 0 ? 0 : EXIT_SYSTEM;
}

static int run_remove(const struct arguments *arguments) {
    struct err err = {0};
    if (confine_drop(CAP_BIT(CAPABILITY_DAC_OVERRIDE) | CAP_BIT(CAPABILITY_FOWNER), &err) < 0 ||
        tree_remove_all(AT_FDCWD, arguments->paths[0], &err) < 0)
        return fail(&err, NULL, false, 0);
    return 0;
}

static bool take_map(const char *text, struct id_map *map) {
    struct err err = {0};
    return text != NULL && id_map_parse(text, map, &err) == 0;
}

static bool take_option(const char *name, const char *value, struct arguments *arguments) {
    struct limits *limits = &arguments->limits;
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {
        {"--max-entries", &limits->max_entries}, {"--max-bytes", &limits->max_bytes},
        {"--max-depth", &limits->max_depth},     {"--max-path", &limits->max_path},
        {"--max-memory", &limits->max_memory},
    };
    if (strcmp(name, "--uid-map") == 0)
        return take_map(value, &arguments->uids);
    if (strcmp(name, "--gid-map") == 0)
        return take_map(value, &arguments->gids);
    if (strcmp(name, "--overlay") == 0) {
        arguments->overlay = value != NULL && strcmp(value, "yes") == 0;
        return arguments->overlay;
    }
    for (size_t index = 0; index < sizeof options / sizeof *options; index++)
        if (strcmp(options[index].name, name) == 0)
            return value != NULL && pax_decimal(value, strlen(value), options[index].value) == 0;
    return false;
}

static const struct job {
    const char *name;
    int least_paths, most_paths;
    int (*run)(const struct arguments *arguments);
} jobs[] = {
    {"unpack", 1, 1, run_unpack}, {"pack", 1, 1, run_pack},     {"list", 0, 0, run_list},
    {"diff", 1, 10000, run_diff}, {"copy", 2, 2, run_copy},     {"swap", 2, 2, run_swap},
    {"usage", 1, 1, run_usage},   {"remove", 1, 1, run_remove},
};

int main(int argc, char **argv) {
    struct arguments arguments = {.limits = LIMITS_DEFAULT};
    int at = 2;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (!take_option(argv[at], at + 1 < argc ? argv[at + 1] : NULL, &arguments))
            return usage();
    if (argc < 2 || at > argc)
        return usage();
    if (arguments.limits.max_path > 3500)
        arguments.limits.max_path = 3500; // what tree.c and the store's prefix leave of PATH_MAX
    arguments.paths = argv + at;
    arguments.path_count = argc - at;
    for (size_t index = 0; index < sizeof jobs / sizeof *jobs; index++) {
        const struct job *job = &jobs[index];
        if (strcmp(argv[1], job->name) != 0)
            continue;
        if (arguments.path_count < job->least_paths || arguments.path_count > job->most_paths)
            return usage();
        allow_descriptors();
        return job->run(&arguments);
    }
    return usage();
}
