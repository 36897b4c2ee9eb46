// Tests many sandboxes' links at a time, with their rules: all are answered, at once, by both families, and
// the kernel's memory for each is bounded. Says what they take.
//
//   many_links_test [NUMBER]

#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "link/link.h"
#include "link_host.h"
#include "nft/batch.h"
#include "rules/rules.h"

#define FEW 16 // in every run of the unit tests

struct many {
    int inside, four, six;
};

static double now_ms(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1e6;
}

// What the kernel has taken for itself, in KiB.
static long kernel_memory(void) {
    char line[128];
    long sum = 0, value;
    FILE *file = fopen("/proc/meminfo", "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Slab: %ld", &value) == 1 || sscanf(line, "Percpu: %ld", &value) == 1)
            sum += value;
    }
    (void)fclose(file);
    return sum;
}

static struct net_plan plan_number(int number) {
    struct net_plan plan = {.mtu = 1420, .connections = 4096, .new_connections = 1000};
    char four[32], six[32], pool4[] = "10.99.0.0/16", pool6[] = "fd99::/64";
    (void)snprintf(plan.link, sizeof plan.link, "dsha-%d", number);
    (void)snprintf(four, sizeof four, "10.99.%d.%d", 1 + number / 250, 1 + number % 250);
    (void)snprintf(six, sizeof six, "fd99::%x", 16 + number);
    CHECK(address_of("10.99.0.1", &plan.resolver) && address_of(four, &plan.address4) &&
          address_of(six, &plan.address6) && range_of(pool4, &plan.pool4) && range_of(pool6, &plan.pool6));
    return plan;
}

static void make_number(struct many *one, int number) {
    struct net_plan plan = plan_number(number);
    struct err err = {0};
    CHECK(link_make(&plan, route, one->inside, &err) == 0 && setns(one->inside, CLONE_NEWNET) == 0);
    int rules = nft_open(&err), inside = netlink_open(NETLINK_ROUTE, &err);
    CHECK(rules >= 0 && inside >= 0 && rules_apply(rules, &plan, NULL, &err) == 0);
    CHECK(link_inside(&plan, inside, &err) == 0);
    (void)close(rules);
    (void)close(inside);
    one->four = udp_socket(AF_INET, "198.51.100.1", 4000, true);
    one->six = udp_socket(AF_INET6, "2001:db8::1", 4000, true);
    CHECK(setns(host, CLONE_NEWNET) == 0);
    link_settle(&plan, route);
}

// Answers what has come; how many.
static size_t answer_all(int server) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    size_t count = 0;
    char byte;
    for (; recvfrom(server, &byte, 1, MSG_DONTWAIT, (struct sockaddr *)&peer, &size) == 1;
         size = sizeof peer) {
        (void)sendto(server, &byte, 1, 0, (struct sockaddr *)&peer, size);
        count++;
    }
    return count;
}

// One question of each by each family, none of them twice: as many must be heard, and as many answers.
static void ask_all(const struct many *all, size_t number) {
    const int most = 16 * 1024 * 1024;
    int servers[] = {udp_socket(AF_INET, "198.51.100.1", 4000, false),
                     udp_socket(AF_INET6, "2001:db8::1", 4000, false)};
    for (size_t index = 0; index < 2; index++)
        CHECK(setsockopt(servers[index], SOL_SOCKET, SO_RCVBUFFORCE, &most, sizeof most) == 0);
    size_t heard = 0, answered = 0;
    for (size_t index = 0; index < number; index++)
        CHECK(send(all[index].four, "x", 1, 0) == 1 && send(all[index].six, "x", 1, 0) == 1);
    for (int tries = 0; tries < 100 && heard < 2 * number; tries++) {
        heard += answer_all(servers[0]) + answer_all(servers[1]);
        (void)usleep(10000);
    }
    for (size_t index = 0; index < number; index++) {
        const int fds[] = {all[index].four, all[index].six};
        for (size_t family = 0; family < 2; family++) {
            struct pollfd wait = {.fd = fds[family], .events = POLLIN};
            answered += poll(&wait, 1, 1000) == 1 && (wait.revents & POLLIN) != 0 ? 1 : 0;
        }
    }
    (void)printf("%zu of %zu questions heard, %zu answers\n", heard, 2 * number, answered);
    CHECK(heard == 2 * number && answered == 2 * number);
    (void)close(servers[0]);
    (void)close(servers[1]);
}

static void test_many(size_t number) {
    struct rlimit files = {.rlim_cur = 4 * number + 64, .rlim_max = 4 * number + 64};
    struct many *all = calloc(number, sizeof *all);
    CHECK(all != NULL && number <= 10000 && setrlimit(RLIMIT_NOFILE, &files) == 0);
    long before = kernel_memory();
    for (size_t index = 0; index < number; index++) {
        CHECK(unshare(CLONE_NEWNET) == 0);
        raise_loopback();
        all[index].inside = own_namespace();
        CHECK(setns(host, CLONE_NEWNET) == 0);
    }
    long bare = kernel_memory();
    double start = now_ms();
    for (size_t index = 0; index < number; index++)
        make_number(&all[index], (int)index);
    double end = now_ms();
    long linked = kernel_memory();
    (void)printf("%.2f ms each; %ld KiB of the kernel's each, and %ld for the namespace itself\n",
                 (end - start) / (double)number, (linked - bare) / (long)number,
                 (bare - before) / (long)number);
    ask_all(all, number);
    ask_all(all, number);
    for (size_t index = 0; index < number; index++) {
        (void)close(all[index].four);
        (void)close(all[index].six);
        (void)close(all[index].inside);
    }
    free(all);
}

int main(int argc, char **argv) {
    if (!make_host()) {
        (void)printf("many_links_test: no network namespace may be made, nothing is tested\n");
        return 0;
    }
    test_many(argc > 1 ? strtoul(argv[1], NULL, 10) : FEW);
    (void)printf("many_links_test: ok\n");
    return 0;
}
