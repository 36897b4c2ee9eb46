// Puts the rules of a network in force and reads them back, for the integration tests: a program that is run
// in the network namespace that they are for. Plans are files with a line for each field.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "nft/batch.h"
#include "plan.h"
#include "refused.h"
#include "rules/rules.h"
#include "words.h"

static void fail(const struct err *err, const char *what) {
    char text[512] = "";
    if (err != NULL)
        err_text(err, text, sizeof text);
    (void)fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void take_line(struct net_plan *plan, const char *name, const char *value) {
    static const struct {
        const char *name;
        enum wire_tag tag;
        bool number;
    } fields[] = {
        {"link", TAG_NET_LINK, false},
        {"address", TAG_NET_ADDRESS, false},
        {"resolver", TAG_NET_RESOLVER, false},
        {"pool", TAG_NET_POOL, false},
        {"host", TAG_NET_HOST, false},
        {"rule", TAG_NET_RULE, false},
        {"peer", TAG_NET_PEER, false},
        {"dns", TAG_NET_DNS, false},
        {"connections", TAG_NET_CONNECTIONS, true},
        {"new_connections", TAG_NET_NEW_CONNECTIONS, true},
    };
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++) {
        uint32_t number = (uint32_t)atoi(value);
        struct wire_field field = {
            .tag = fields[index].tag, .length = (uint32_t)strlen(value), .value = (const uint8_t *)value};
        if (strcmp(name, fields[index].name) != 0)
            continue;
        if (fields[index].number)
            field = (struct wire_field){field.tag, sizeof number, (const uint8_t *)&number};
        if (net_plan_field(plan, &field) == 1)
            return;
    }
    fail(NULL, name);
}

static struct net_plan read_plan(const char *path) {
    struct net_plan plan = {0};
    struct err err = {0};
    char line[512];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail(NULL, path);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, ' ');
        if (value == NULL)
            continue;
        *value++ = '\0';
        take_line(&plan, line, value);
    }
    (void)fclose(file);
    if (net_plan_check(&plan, &err) != 0)
        fail(&err, path);
    return plan;
}

static double milliseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

// apply PLAN [PLAN …]: one after the other, with how long each took.
static void apply(int socket, int count, char **paths) {
    struct err err = {0};
    struct net_plan before = {0};
    for (int index = 0; index < count; index++) {
        struct net_plan plan = read_plan(paths[index]);
        double begin = milliseconds();
        if (rules_apply(socket, &plan, index == 0 ? NULL : &before, &err) != 0)
            fail(&err, paths[index]);
        (void)printf("%.3f\n", milliseconds() - begin);
        net_plan_free(&before);
        before = plan;
    }
    net_plan_free(&before);
}

// replace BEFORE PLAN
static void replace(int socket, char **paths) {
    struct err err = {0};
    struct net_plan before = read_plan(paths[0]), plan = read_plan(paths[1]);
    double begin = milliseconds();
    if (rules_apply(socket, &plan, &before, &err) != 0)
        fail(&err, paths[1]);
    (void)printf("%.3f\n", milliseconds() - begin);
    net_plan_free(&before);
    net_plan_free(&plan);
}

// pin PLAN SET ADDRESS SECONDS
static void pin(int socket, char **arguments) {
    struct err err = {0};
    struct net_pin one = {.seconds = (uint32_t)atoi(arguments[3])};
    struct net_plan plan = read_plan(arguments[0]);
    if (!address_of(arguments[2], &one.address))
        fail(NULL, arguments[2]);
    double begin = milliseconds();
    if (rules_pin(socket, &plan, (uint16_t)atoi(arguments[1]), &one, 1, &err) != 0)
        fail(&err, "pin");
    (void)printf("%.3f\n", milliseconds() - begin);
    net_plan_free(&plan);
}

static void counters(int socket) {
    struct err err = {0};
    struct rules_counters counters;
    if (rules_counters(socket, &counters, &err) != 0)
        fail(&err, "counters");
    (void)printf("{\"refused\":%llu,\"over\":%llu,\"stopped\":%llu}\n", (unsigned long long)counters.refused,
                 (unsigned long long)counters.over, (unsigned long long)counters.stopped);
}

// Prints what is refused as it comes, until its input ends.
static void refused(void) {
    struct err err = {0};
    int fd = rules_refused_open(&err);
    if (fd < 0)
        fail(&err, "refused");
    (void)printf("ready\n");
    for (;;) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        struct refused_list list = {0};
        (void)fflush(stdout);
        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0)
            return;
        rules_refused_read(fd, &list);
        for (size_t index = 0; index < list.count; index++) {
            char text[INET6_ADDRSTRLEN];
            const struct refused *one = &list.list[index];
            (void)inet_ntop(one->family, one->address, text, sizeof text);
            (void)printf("%u %s %u %u\n", one->protocol, text, one->port, one->count);
        }
    }
}

int main(int count, char **arguments) {
    struct err err = {0};
    int socket = nft_open(&err);
    if (socket < 0)
        fail(&err, "nfnetlink");
    const char *verb = count < 2 ? "" : arguments[1];
    if (strcmp(verb, "apply") == 0 && count >= 3)
        apply(socket, count - 2, arguments + 2);
    else if (strcmp(verb, "replace") == 0 && count == 4)
        replace(socket, arguments + 2);
    else if (strcmp(verb, "pin") == 0 && count == 6)
        pin(socket, arguments + 2);
    else if (strcmp(verb, "counters") == 0)
        counters(socket);
    else if (strcmp(verb, "refused") == 0)
        refused();
    else
        fail(NULL, "usage");
    return 0;
}
