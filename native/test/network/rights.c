// Plays the DNS relay, what holds published ports, keepers and screens, taken over by what they read: with
// their rights, or with root's to see that the tries can succeed, it tries to get out, and says line by line
// what came of it. What it attacks is in the folder, which anybody may write to: "open" that anybody may
// read, "closed" that only root may, and "socket".
//
//   rights relay|publisher|keeper|screen|none FOLDER PORT VICTIM
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/rights.h"
#include "kept/screen_rights.h"
#include "publisher/rights.h"
#include "rights.h"

#define SANDBOX_ID 0x87650000u

static const char *folder;
static uint16_t port;
static pid_t victim;

static const char *at(const char *name) {
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int read_open(void) {
    return open(at("open"), O_RDONLY);
}
static int read_closed(void) {
    return open(at("closed"), O_RDONLY);
}
static int read_shadow(void) {
    return open("/etc/shadow", O_RDONLY);
}
static int write_file(void) {
    return open(at("open"), O_WRONLY);
}
static int make_file(void) {
    return open(at("made"), O_WRONLY | O_CREAT, 0600);
}
static int remove_file(void) {
    return unlink(at("removed"));
}
static int read_memory(void) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)victim);
    return open(path, O_RDONLY);
}
static int trace(void) {
    return (int)ptrace(PTRACE_SEIZE, victim, NULL, NULL);
}
static int send_signal(void) {
    return kill(victim, 0);
}
static int make_process(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : (int)waitpid(pid, NULL, 0);
}
static int connect_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)strcpy(address.sun_path, at("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof address);
}
static int raw_socket(void) {
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
static int packet_socket(void) {
    return socket(AF_PACKET, SOCK_RAW, 0);
}
static int netlink_socket(void) {
    return socket(AF_NETLINK, SOCK_RAW, 0);
}
static int connect_port(void) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof address);
}
static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(666)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
}
static int become_root(void) {
    return setresuid(0, 0, 0);
}
static int make_namespace(void) {
    return unshare(CLONE_NEWUSER);
}
static int mount_something(void) {
    return mount("tmpfs", folder, "tmpfs", 0, NULL);
}
static int enter_namespace(void) {
    return setns(3, CLONE_NEWNET);
}
static int run_program(void) { // last: with root's rights it does not come back
    char *const arguments[] = {(char *)"true", NULL};
    return execv("/bin/true", arguments);
}

static const struct {
    const char *name;
    int (*try)(void);
} tries[] = {
    {"read a file", read_open},
    {"read a file of root's", read_closed},
    {"read /etc/shadow", read_shadow},
    {"write to a file", write_file},
    {"make a file", make_file},
    {"remove a file", remove_file},
    {"read a process", read_memory},
    {"trace a process", trace},
    {"signal a process", send_signal},
    {"make a process", make_process},
    {"connect to a socket", connect_socket},
    {"send raw packets", raw_socket},
    {"send frames", packet_socket},
    {"talk netlink", netlink_socket},
    {"connect to a port", connect_port},
    {"listen at a port", listen_somewhere},
    {"become root", become_root},
    {"enter a namespace", enter_namespace},
    {"mount", mount_something},
    {"make a user namespace", make_namespace},
    {"run a program", run_program},
};
#define COUNT (sizeof tries / sizeof *tries)

static int drop(const char *who, struct err *err) {
    if (strcmp(who, "relay") == 0)
        return rights_drop("/etc/resolv.conf", err);
    if (strcmp(who, "publisher") == 0)
        return publisher_rights(SANDBOX_ID, err);
    if (strcmp(who, "keeper") == 0)
        return keeper_rights(SANDBOX_ID, err);
    if (strcmp(who, "screen") == 0)
        return screen_rights(SANDBOX_ID, "/nowhere/node", "/nowhere/script", err);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 64;
    folder = argv[2];
    port = (uint16_t)atoi(argv[3]);
    victim = (pid_t)atoi(argv[4]);
    // What came of each: written where nobody needs a system call for it.
    int *results =
        mmap(NULL, COUNT * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (results == MAP_FAILED || dup2(space, 3) != 3)
        return 71;
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        if (drop(argv[1], &err) != 0)
            _exit(71);
        for (size_t index = 0; index < COUNT; index++) {
            results[index] = -1; // for the one that does not come back
            results[index] = tries[index].try() >= 0 ? -1 : errno;
        }
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 71;
    for (size_t index = 0; index < COUNT; index++)
        (void)printf("%s: %s\n", tries[index].name, results[index] < 0 ? "DONE" : strerror(results[index]));
    return 0;
}
