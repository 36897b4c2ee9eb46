// Plays dockersh-layer taken over by what it reads, or dockersh-probe: behind both walls it does no job, but
// tries to get out, and says line by line on stderr what came of it. `make TAKEN_OVER=yes` links it in place
// of wall_build(); test/integration/images/taken-over.test.ts runs it. What it is to attack the environment
// says.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"
#include "wall.h"

int __real_wall_build(const struct wall_folder *folders, size_t count, struct err *err);
int __wrap_wall_build(const struct wall_folder *folders, size_t count, struct err *err);
int __real_wall_calls(unsigned exceptions, struct err *err);
int __wrap_wall_calls(unsigned exceptions, struct err *err);

static void say(const char *what, long result) {
    (void)fprintf(stderr, "%s: %s\n", what, result >= 0 ? "DONE" : strerror(errno));
}

static const char *given(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

static void try_files(const char *victim) {
    char path[512];
    say("read a file", open(victim, O_RDONLY));
    say("write to a file", open(victim, O_WRONLY));
    say("truncate a file", truncate(victim, 0));
    (void)snprintf(path, sizeof path, "%s.new", victim);
    say("make a file", open(path, O_WRONLY | O_CREAT, 0600));
    say("make a folder", mkdir(path, 0700));
    say("rename a file", rename(victim, path));
    say("remove a file", unlink(victim));
    say("list a folder", open("/etc", O_RDONLY | O_DIRECTORY));
    say("open a device", open("/dev/null", O_RDWR));
    (void)snprintf(path, sizeof path, "/proc/%s/mem", given("VICTIM_PID"));
    say("open a process's memory", open(path, O_RDWR));
    (void)snprintf(path, sizeof path, "/proc/%s/environ", given("VICTIM_PID"));
    say("open a process's environment", open(path, O_RDONLY));
}

static void try_inside(const char *folder) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/node", folder);
    say("make a device", mknod(path, S_IFBLK | 0600, makedev(254, 0)));
    say("make a device of characters", mknod(path, S_IFCHR | 0600, makedev(1, 1)));
    (void)snprintf(path, sizeof path, "%s/link", folder);
    (void)symlink(given("VICTIM_FILE"), path);
    say("read by a link", open(path, O_RDONLY));
    (void)unlink(path);
    say("link a file in", link(given("VICTIM_FILE"), path));
}

static void try_sockets(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(given("VICTIM_PORT")));
    int internet = socket(AF_INET, SOCK_STREAM, 0);
    say("connect to a port", connect(internet, (struct sockaddr *)&address, sizeof address));
    say("listen at a port",
        bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    (void)snprintf(local.sun_path, sizeof local.sun_path, "%s", given("VICTIM_SOCKET"));
    int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
    say("connect to a socket", connect(unix_socket, (struct sockaddr *)&local, sizeof local));
    // Already open, as one that was passed would be.
    int pair[2] = {-1, -1};
    (void)socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    say("connect an open socket", connect(pair[0], (struct sockaddr *)&local, sizeof local));
}

static void try_program(const char *what, int program) {
    char *const arguments[] = {(char *)"true", NULL};
    pid_t child = fork();
    if (child == 0) {
        (void)(program < 0 ? execv("/bin/true", arguments)
                           : sys_execveat(program, "", arguments, NULL, AT_EMPTY_PATH));
        _exit(errno);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        say(what, -1); // of a PID namespace whose first process has ended
        return;
    }
    if (WIFSIGNALED(status)) { // nothing was run, or not to its end
        (void)fprintf(stderr, "%s: %s\n", what, strsignal(WTERMSIG(status)));
        return;
    }
    errno = WEXITSTATUS(status);
    say(what, errno == 0 ? 0 : -1);
}

static void try_processes(void) {
    pid_t victim = (pid_t)atoi(given("VICTIM_PID"));
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    say("trace a process", ptrace(PTRACE_ATTACH, victim, NULL, NULL));
    say("trace a process by seizing it", ptrace(PTRACE_SEIZE, victim, NULL, NULL));
    say("read a process", process_vm_readv(victim, &here, 1, &there, 1, 0));
    say("write to a process", process_vm_writev(victim, &here, 1, &there, 1, 0));
    say("signal a process", kill(victim, 0));
    try_program("run a program", -1);
    try_program("run a program by its descriptor", open("/bin/true", O_PATH));
}

static void try_mounts(const char *folder) {
    say("mount", mount("tmpfs", folder, "tmpfs", 0, NULL));
    say("bind", mount("/etc", folder, NULL, MS_BIND, NULL));
    say("clone a mount", sys_open_tree(AT_FDCWD, "/", SYS_OPEN_TREE_CLONE));
    say("make a file system", sys_fsopen("tmpfs", SYS_FSOPEN_CLOEXEC));
    say("make a namespace", unshare(CLONE_NEWNS));
    say("make a user namespace", unshare(CLONE_NEWUSER));
    say("enter a namespace", setns(open("/proc/1/ns/mnt", O_RDONLY), 0));
    say("change the root", chroot(folder));
}

static _Noreturn void try_everything(const char *folder) {
    try_files(given("VICTIM_FILE"));
    try_inside(folder);
    try_sockets();
    try_processes();
    try_mounts(folder);
    (void)fprintf(stderr, "tried everything\n");
    _exit(0);
}

// Without the wall the tries must come further, or they would show nothing.
static bool is_left_out(void) {
    return given("NO_WALL")[0] != '\0';
}

int __wrap_wall_build(const struct wall_folder *folders, size_t count, struct err *err) {
    if (!is_left_out() && __real_wall_build(folders, count, err) != 0)
        return -1;
    try_everything(count > 0 ? folders[count - 1].path : "/");
}

int __wrap_wall_calls(unsigned exceptions, struct err *err) {
    if (!is_left_out() && __real_wall_calls(exceptions, err) != 0)
        return -1;
    if ((exceptions & WALL_MOUNTS) != 0 && given("GO_ON")[0] != '\0')
        return 0; // to the wall within that wall
    try_everything(given("VICTIM_FOLDER"));
}
