// Floods a network from inside a sandbox, for script/bench network-flood: as fast as it can for so many
// seconds, with so many processes. Prints how often.
//
//   flood KIND SECONDS PROCESSES FAR RESOLVER
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in far_away, resolver;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Connections that are begun and given up at once, to any port.
static void syn(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    far_away.sin_port = htons((uint16_t)(1 + random() % 65535));
    (void)connect(fd, (struct sockaddr *)&far_away, sizeof far_away);
    close(fd);
}

static void udp(void) {
    static int fd = -1;
    static char bytes[1400];
    if (fd < 0)
        fd = socket(AF_INET, SOCK_DGRAM, 0);
    far_away.sin_port = htons(9);
    (void)sendto(fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&far_away, sizeof far_away);
}

// Each from another port to another port: an entry of its own for whoever tracks connections.
static void conntrack(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    for (int turn = 0; turn < 16; turn++) {
        far_away.sin_port = htons((uint16_t)(1 + random() % 65535));
        (void)sendto(fd, "x", 1, 0, (struct sockaddr *)&far_away, sizeof far_away);
    }
    close(fd);
}

// Names that nobody has asked for before.
static void dns(void) {
    static int fd = -1;
    uint8_t question[64] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 12};
    char name[16], ignored[512];
    if (fd < 0)
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    (void)snprintf(name, sizeof name, "%012lx", random() * 0x10001L & 0xffffffffffffL);
    question[0] = (uint8_t)random();
    question[1] = (uint8_t)random();
    memcpy(question + 13, name, 12);
    memcpy(question + 25, "\7example\0\0\1\0\1", 13);
    (void)sendto(fd, question, 38, 0, (struct sockaddr *)&resolver, sizeof resolver);
    (void)!recv(fd, ignored, sizeof ignored, 0);
}

// No network at all: what processors alone make a neighbour wait.
static void spin(void) {
    for (volatile int turn = 0; turn < 1000; turn++)
        ;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {{"syn", syn}, {"udp", udp}, {"conntrack", conntrack}, {"dns", dns}, {"spin", spin}};
    void (*run)(void) = NULL;
    for (size_t index = 0; argc == 6 && index < sizeof kinds / sizeof kinds[0]; index++)
        if (strcmp(kinds[index].name, argv[1]) == 0)
            run = kinds[index].run;
    if (run == NULL)
        return 64;
    far_away = (struct sockaddr_in){.sin_family = AF_INET};
    resolver = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, argv[4], &far_away.sin_addr);
    inet_pton(AF_INET, argv[5], &resolver.sin_addr);
    unsigned long *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int processes = atoi(argv[3]);
    double until = now() + atof(argv[2]);
    for (int process = 0; process < processes; process++) {
        if (fork() != 0)
            continue;
        srandom((unsigned)getpid());
        while (now() < until) {
            for (int turn = 0; turn < 32; turn++)
                run();
            counts[process] += 32;
        }
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    unsigned long sum = 0;
    for (int process = 0; process < processes; process++)
        sum += counts[process];
    printf("%lu\n", sum);
    return 0;
}
