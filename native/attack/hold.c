// "dockersh-attack hold PREFIX": holds things of every kind that processes talk by, open to everybody, until
// its standard input ends. Run by root on the host, and in another user's sandbox; prints
// "PREFIX-THING=VALUE" lines, the arguments of attacks (outside.c).
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "hold.h"

static char name[64]; // of all that has a name: unique on the host

static int abstract_socket(const char *suffix, int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s%s", name, suffix);
    int fd = socket(AF_UNIX, type, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0)
        return -1;
    return type == SOCK_STREAM ? listen(fd, 8) : 0;
}

static int path_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0777) != 0)
        return -1;
    return listen(fd, 8);
}

static int loopback_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    return ntohs(address.sin_port);
}

static int readable_file(const char *path) {
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
    return fd >= 0 && fchmod(fd, 0666) == 0 && write(fd, "secret\n", 7) == 7 ? 0 : -1;
}

// A program that every image "host" has is opened again and again, until standard input ends: whoever watches
// the same file sees it.
static void use_program(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    while (poll(&input, 1, 20) == 0 || (input.revents != 0 && read(0, &byte, 1) > 0))
        close_fd(open(USED_PROGRAM, O_RDONLY | O_CLOEXEC));
}

// Processes that do nothing and end with this one: more than there are in a sandbox that is attacked, so that
// not all of their numbers can be taken there (outside.c).
static bool start_others(void) {
    pid_t parent = getpid();
    for (int count = 1; count < HELD_PROCESSES; count++) {
        pid_t child = fork();
        if (child < 0)
            return false;
        if (child > 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            (void)pause();
        _exit(0);
    }
    return true;
}

int hold(const char *prefix) {
    char file[96], fifo[96], socket_path[96], shm[96], queue[96];
    (void)snprintf(name, sizeof name, "dockersh-attack-%s-%d", prefix, (int)getpid());
    (void)snprintf(file, sizeof file, "/tmp/%s.file", name);
    (void)snprintf(fifo, sizeof fifo, "/tmp/%s.fifo", name);
    (void)snprintf(socket_path, sizeof socket_path, "/tmp/%s.sock", name);
    (void)snprintf(shm, sizeof shm, "/dev/shm/%s", name);
    (void)snprintf(queue, sizeof queue, "/%s", name);
    (void)umask(0);
    (void)prctl(PR_SET_NAME, HELD_NAME);
    bool made = start_others();
    const key_t key = 0x44530000 | (getpid() & 0xffff);
    int shm_id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
    int sem_id = semget(key, 1, IPC_CREAT | IPC_EXCL | 0666);
    int msg_id = msgget(key, IPC_CREAT | IPC_EXCL | 0666);
    mqd_t messages = mq_open(queue, O_CREAT | O_EXCL | O_RDWR, 0666, NULL);
    int port = loopback_port();
    // Shared, so that nobody is kept from it but who asks for it alone.
    int program = open(USED_PROGRAM, O_RDONLY | O_CLOEXEC);
    made = made && program >= 0 && flock(program, LOCK_SH) == 0 && shm_id >= 0 && sem_id >= 0 &&
           msg_id >= 0 && messages >= 0 && port > 0 && readable_file(file) == 0 && readable_file(shm) == 0 &&
           mkfifo(fifo, 0666) == 0 && path_socket(socket_path) == 0 &&
           abstract_socket("", SOCK_STREAM) == 0 && abstract_socket(".packets", SOCK_DGRAM) == 0;
    // A fifo that nobody has open would keep whoever opens it.
    int ends = open(fifo, O_RDWR);
    if (made && ends >= 0) {
        (void)printf("%s-shm-id=%d\n%s-key=%d\n%s-queue=%s\n%s-port=%d\n", prefix, shm_id, prefix, key,
                     prefix, queue, prefix, port);
        (void)printf("%s-file=%s\n%s-fifo=%s\n%s-socket=%s\n%s-shm-file=%s\n", prefix, file, prefix, fifo,
                     prefix, socket_path, prefix, shm);
        (void)printf("%s-program=%s\n", prefix, USED_PROGRAM);
        (void)printf("%s-abstract=%s\n%s-packets=%s.packets\nheld\n", prefix, name, prefix, name);
        (void)fflush(stdout);
        use_program();
    } else {
        perror("dockersh-attack: hold");
    }
    (void)shmctl(shm_id, IPC_RMID, NULL);
    (void)semctl(sem_id, 0, IPC_RMID);
    (void)msgctl(msg_id, IPC_RMID, NULL);
    (void)mq_unlink(queue);
    (void)unlink(file);
    (void)unlink(fifo);
    (void)unlink(socket_path);
    (void)unlink(shm);
    return made ? 0 : 2;
}
