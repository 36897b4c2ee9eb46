#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"
#include "dns/servers.h"
#include "sys.h"

// ---- Landlock ----------------------------------------------------------------------------------------

static int allow_folder(int rules, const char *path, struct err *err) {
    cleanup_fd int folder = open(path, O_PATH | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOENT ? 0 : err_sys(err, "open", path);
    return confined_below(rules, folder, path, CONFINED_READ_FILES, err);
}

// The folders and not the files, because a file that is replaced is another one.
static int allow_files(int rules, const char *resolv_conf, struct err *err) {
    char path[PATH_MAX];
    if (allow_folder(rules, "/etc", err) != 0 || allow_folder(rules, "/run", err) != 0)
        return -1;
    if (realpath(resolv_conf, path) == NULL)
        return 0;
    *strrchr(path, '/') = '\0';
    return allow_folder(rules, path[0] == '\0' ? "/" : path, err);
}

// Where the kernel has no Landlock, the ids and the filter stand alone.
static int restrict_files(const char *resolv_conf, struct err *err) {
    cleanup_fd int rules = CLOSED_FD;
    if (confined_rules(1, &rules, err) != 0 || confined_port(rules, DNS_PORT, err) != 0 ||
        allow_files(rules, resolv_conf, err) != 0)
        return -1;
    return confined_restrict(rules, err);
}

// ---- system calls ------------------------------------------------------------------------------------

static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,
#ifdef SYS_epoll_wait
    CALLS_ALLOW(epoll_wait),
#endif
    CALLS_ALLOW(epoll_pwait),
    CALLS_ALLOW(epoll_ctl),
    CALLS_ALLOW(recvfrom),
    CALLS_ALLOW(recvmsg),
    CALLS_ALLOW(sendto),
    CALLS_ALLOW(sendmsg),
    CALLS_ALLOW(connect),
    CALLS_ALLOW(accept4),
    CALLS_ALLOW(close),
    CALLS_ALLOW(read),
    CALLS_ALLOW(clock_gettime),
    CALLS_ALLOW(getrandom),
    CALLS_ALLOW(fcntl),
    CALLS_ALLOW(inotify_add_watch),
    CALLS_ALLOW(inotify_rm_watch),
#ifdef SYS_readlink
    CALLS_ALLOW(readlink),
#endif
    CALLS_ALLOW(readlinkat),
    CALLS_OF_EVERY_PROGRAM,
// Files to read.
#ifdef SYS_open
    CALLS_IS(SYS_open, 5),
    CALLS_ARGUMENT(1),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC),
    CALLS_IS(O_RDONLY, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_REFUSE,
#endif
    CALLS_IS(SYS_openat, 5),
    CALLS_ARGUMENT(2),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC),
    CALLS_IS(O_RDONLY, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_REFUSE,
    CALLS_INTERNET_SOCKETS,
    CALLS_IS(SYS_ioctl, 4),
    CALLS_ARGUMENT(1),
    CALLS_IS(SIOCGIFINDEX, 1),
    CALLS_RETURN(SECCOMP_RET_ALLOW),
    CALLS_REFUSE,
    CALLS_REFUSE,
};

// ---- rights ------------------------------------------------------------------------------------------

// As many descriptors as there may be, and nothing on the disk.
static int limit_resources(struct err *err) {
    struct rlimit descriptors = {.rlim_cur = 524288, .rlim_max = 524288};
    const struct rlimit none = {0};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0 && getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max; // the host's own bound is lower
        (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_FSIZE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    return 0;
}

int rights_drop(const char *resolv_conf, struct err *err) {
    if (limit_resources(err) != 0 || confined_ids(RELAY_ID, err) != 0 ||
        restrict_files(resolv_conf, err) != 0)
        return -1;
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}
