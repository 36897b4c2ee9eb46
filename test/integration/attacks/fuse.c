// A FUSE server that never answers one kind of request, and a program of a user's that gets a file of it.
// Speaks the kernel's protocol itself (linux/fuse.h): every account that a sandbox does not hold may run such
// a server.
//
//   fuse OPCODE UID GID PROGRAM [ARG …]   the file becomes PROGRAM's descriptors 0 and 1
//
// Mounts in a mount namespace of its own, and serves until it is killed; then the kernel answers all that is
// open. OPCODE is the number of enum fuse_opcode; with 16 (FUSE_WRITE) the file is one with pages still to be
// written.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NODE 2

static int device;
static uint32_t unanswered;
static uid_t user;
static gid_t group;

static void answer(uint64_t unique, int error, const void *data, size_t length) {
    char bytes[4096];
    struct fuse_out_header head = {
        .len = (uint32_t)(sizeof head + length), .error = -error, .unique = unique};
    memcpy(bytes, &head, sizeof head);
    if (length > 0)
        memcpy(bytes + sizeof head, data, length);
    (void)!write(device, bytes, sizeof head + length);
}

static struct fuse_attr attributes(uint64_t node) {
    return (struct fuse_attr){.ino = node,
                              .size = 4096,
                              .mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777,
                              .nlink = 1,
                              .uid = user,
                              .gid = group,
                              .blksize = 4096};
}

static void serve(const struct fuse_in_header *head, const void *body) {
    if (head->opcode == unanswered && head->nodeid != FUSE_ROOT_ID)
        return;
    switch (head->opcode) {
    case FUSE_INIT: {
        const struct fuse_init_in *in = body;
        struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                    .minor = in->minor < 31 ? in->minor : 31,
                                    .max_readahead = in->max_readahead,
                                    .flags = unanswered == FUSE_WRITE ? FUSE_WRITEBACK_CACHE : 0,
                                    .max_write = 4096,
                                    .time_gran = 1};
        answer(head->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_LOOKUP: {
        // Never remembered where questions about it are what hangs.
        struct fuse_entry_out out = {.nodeid = FILE_NODE,
                                     .attr_valid = unanswered == FUSE_GETATTR ? 0 : 3600,
                                     .entry_valid = 3600,
                                     .attr = attributes(FILE_NODE)};
        answer(head->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(head->nodeid)};
        answer(head->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_OPEN: {
        struct fuse_open_out out = {.fh = 1};
        answer(head->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_READ:
    case FUSE_FLUSH:
    case FUSE_SETATTR:
        answer(head->unique, 0, NULL, 0);
        return;
    case FUSE_WRITE: {
        struct fuse_write_out out = {.size = ((const struct fuse_write_in *)body)->size};
        answer(head->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        answer(head->unique, head->opcode == FUSE_RELEASE ? 0 : ENOSYS, NULL, 0);
    }
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void give(char **program) {
    (void)close(device); // or the server's end would not be the connection's
    if (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0)
        fail("become the user");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // another id would clear it
    (void)close(0); // at once the right number: to close another copy would hang already
    if (open("/mnt/file", O_RDWR) != 0 || dup2(0, 1) < 0)
        fail("open the file");
    execv(program[0], program);
    fail(program[0]);
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 64;
    unanswered = (uint32_t)atoi(argv[1]);
    user = (uid_t)atoi(argv[2]);
    group = (gid_t)atoi(argv[3]);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        fail("mount namespace");
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    char options[128];
    (void)snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device, user,
                   group);
    if (device < 0 || mount("fuse", "/mnt", "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        fail("mount");
    static char request[1 << 17];
    pid_t child = -1;
    for (;;) {
        ssize_t length = read(device, request, sizeof request);
        if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
            continue;
        if (length < (ssize_t)sizeof(struct fuse_in_header))
            return 0;
        const struct fuse_in_header *head = (const struct fuse_in_header *)request;
        serve(head, request + sizeof *head);
        if (child < 0) { // INIT is through
            child = fork();
            if (child == 0)
                give(argv + 4);
            (void)signal(SIGCHLD, SIG_IGN);
            fprintf(stderr, "serving %d\n", child);
        }
    }
}
