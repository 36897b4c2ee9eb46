#include "unpack/job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "confine.h"
#include "overlay/marker.h"
#include "profile.h"
#include "report.h"
#include "wall.h"

// The reading process: the result goes to `marker`, failures to stderr.
static int unpack_child(int marker, const struct unpack_options *options) {
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
        return FAILURE_SYSTEM;
    (void)umask(0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    cleanup_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        (void)err_sys(&err, "open the folder", "");
        return fail(&err, NULL, false, 0);
    }
    const struct wall_folder folder = {.path = "/", .writable = true};
    if (confine_drop(keep, &err) < 0 || confine_limit(options->limits, &err) < 0 ||
        wall_build(&folder, 1, &err) < 0)
        return fail(&err, NULL, false, 0);
    int done = unpack(STDIN_FILENO, root, marker, options, &result, &place, &err);
    if (done < 0)
        return fail(&err, place.path, true, place.offset);
    if (marker_send_result(marker, &result, &err) < 0)
        return fail(&err, NULL, false, 0);
    return 0;
}

// Waits for the reading process, then for the disk: a layer that is reported is on it.
static int unpack_finish(pid_t child, int marker, int root, struct err *err) {
    struct unpack_result result;
    int served = marker_serve(marker, root, &result, err);
    int status;
    if (served < 0)
        (void)kill(child, SIGKILL); // it may wait for an answer
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(err, "wait for the unpacking process", ""), fail(err, NULL, false, 0);
    if (served < 0)
        return fail(err, NULL, false, 0);
    if (WIFSIGNALED(status)) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", WTERMSIG(status));
        (void)err_plain(err, FAILURE_REFUSED, "the unpacking process was ended by signal", number);
        return fail(err, NULL, false, 0);
    }
    if (WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status); // it has said why
    if (served == 0)
        return fail(err, NULL, false, 0);
    if (syncfs(root) < 0) {
        (void)err_sys(err, "write the layer to the disk", "");
        return fail(err, NULL, false, 0);
    }
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skippedDevices\":%" PRIu64
                 ",\"skippedXattrs\":%" PRIu64 ",\"whiteouts\":%" PRIu64 ",\"implied\":%" PRIu64
                 ",\"timesKept\":%s}\n",
                 result.entries, result.bytes, result.skipped_devices, result.skipped_xattrs,
                 result.whiteouts, result.implied, result.times_kept ? "true" : "false");
    return fflush(stdout) == 0 ? 0 : FAILURE_SYSTEM;
}

int unpack_job(const char *path, const struct unpack_options *options) {
    struct err err = {0};
    int sockets[2];
    int attribute = profile_open("dockersh-layer");
    if (confine_enter(path, &err) < 0)
        return fail(&err, NULL, false, 0);
    profile_enter(&attribute, "dockersh-layer-unpack");
    // Before the archive sets its mode, and before what it takes to open a folder that nobody may read is
    // given up.
    cleanup_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        (void)err_sys(&err, "open the folder", "");
        return fail(&err, NULL, false, 0);
    }
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
        _exit(unpack_child(there, options));
    }
    close_fd_at(&there);
    // A reader that hangs on must see the archive end when the child is gone, not when this process is.
    (void)close(STDIN_FILENO);
    const struct wall_folder folder = {.path = "/", .writable = true};
    if (confine_drop(CAP_BIT(CAPABILITY_SYS_ADMIN), &err) < 0 || wall_build(&folder, 1, &err) < 0)
        return fail(&err, NULL, false, 0);
    return unpack_finish(child, here, root, &err);
}
