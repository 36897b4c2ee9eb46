// Tests of how a private network's plan is read (network/plan.c): what the daemon writes arrives as it was
// meant, and what it would never write is refused, above all names that end up in paths of the host.

#include "plan.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"

static struct net_plan plan;

static int take(enum wire_tag tag, const char *text) {
    struct wire_field field = {
        .tag = (uint32_t)tag, .length = (uint32_t)strlen(text), .value = (const uint8_t *)text};
    return net_plan_field(&plan, &field);
}

static int take_bytes(enum wire_tag tag, const void *bytes, size_t length) {
    struct wire_field field = {.tag = (uint32_t)tag, .length = (uint32_t)length, .value = bytes};
    return net_plan_field(&plan, &field);
}

static bool is(const struct net_prefix *range, const char *text, unsigned prefix) {
    char found[INET6_ADDRSTRLEN];
    return inet_ntop(range->family, range->address, found, sizeof found) != NULL &&
           strcmp(found, text) == 0 && range->prefix == prefix;
}

static void test_whole(void) {
    struct err err = {0};
    const uint64_t rates[] = {1000, 2000};
    const uint32_t number = 1420;
    CHECK(take(TAG_NET_LINK, "dshrs-0a9z") == 1 && take(TAG_NET_RESOLVER, "10.64.0.1") == 1);
    CHECK(take(TAG_NET_ADDRESS, "fd12::1:2") == 1 && take(TAG_NET_ADDRESS, "10.64.1.2") == 1);
    CHECK(take(TAG_NET_POOL, "10.64.0.0/16") == 1 && take(TAG_NET_POOL, "fd12::/64") == 1);
    CHECK(take(TAG_NET_HOST, "192.0.2.1") == 1 && take(TAG_NET_HOST, "2001:db8::5") == 1);
    CHECK(take_bytes(TAG_NET_MTU, &number, 4) == 1 && take_bytes(TAG_NET_RATE, rates, 16) == 1);
    CHECK(take_bytes(TAG_NET_CONNECTIONS, &number, 4) == 1);
    CHECK(take_bytes(TAG_NET_NEW_CONNECTIONS, &number, 4) == 1);
    CHECK(take(TAG_NET_RULE, "allow tcp 198.51.100.7/24 443-444") == 1);
    CHECK(take(TAG_NET_RULE, "deny any ::/0 0-65535") == 1 && take(TAG_NET_RULE, "open udp @7 53") == 1);
    CHECK(take(TAG_NET_PEER, "ada fd12::9") == 1);
    CHECK(take(TAG_NET_PUBLISH, "tcp 127.0.0.1 8080 80") == 1);
    CHECK(take(TAG_NET_PUBLISH, "udp :: 60000-60010 60000-60010") == 1);
    CHECK(take(TAG_NET_RELAY, "/run/x") == 1 && take_bytes(TAG_NET_DNS, "a\0b", 3) == 1);
    CHECK(net_plan_check(&plan, &err) == 0);

    CHECK(strcmp(plan.link, "dshrs-0a9z") == 0 && is(&plan.address4, "10.64.1.2", 32));
    CHECK(is(&plan.address6, "fd12::1:2", 128) && is(&plan.resolver, "10.64.0.1", 32));
    CHECK(is(&plan.pool4, "10.64.0.0", 16) && is(&plan.pool6, "fd12::", 64));
    CHECK(plan.host_count == 2 && is(&plan.hosts[1], "2001:db8::5", 128));
    CHECK(plan.mtu == 1420 && plan.rate_in == 1000 && plan.rate_out == 2000);
    CHECK(plan.connections == 1420 && plan.new_connections == 1420 && plan.rule_count == 3);
    CHECK(plan.rules[0].verdict == NET_ALLOW && plan.rules[0].protocol == NET_TCP);
    CHECK(is(&plan.rules[0].target, "198.51.100.0", 24)); // what is behind the prefix does not count
    CHECK(plan.rules[0].ports.first == 443 && plan.rules[0].ports.last == 444);
    CHECK(plan.rules[1].verdict == NET_DENY && is(&plan.rules[1].target, "::", 0));
    CHECK(plan.rules[2].verdict == NET_OPEN && plan.rules[2].target.family == 0 && plan.rules[2].set == 7);
    CHECK(plan.rules[2].ports.first == 53 && plan.rules[2].ports.last == 53);
    CHECK(plan.peer_count == 1 && strcmp(plan.peers[0].name, "ada") == 0);
    CHECK(plan.published_count == 2 && plan.published[0].outside.first == 8080);
    CHECK(plan.published[1].protocol == NET_UDP && plan.published[1].inside.last == 60010);
    CHECK(strcmp(plan.relay, "/run/x") == 0 && plan.dns_bytes == 3);
    CHECK(take(TAG_NAME, "x") == 0); // not for us
    net_plan_free(&plan);
}

static void test_refused(void) {
    static const struct {
        enum wire_tag tag;
        const char *text;
    } broken[] = {
        {TAG_NET_LINK, ""},
        {TAG_NET_LINK, "dsh"},
        {TAG_NET_LINK, "eth0"},
        {TAG_NET_LINK, "dsh/../x"},
        {TAG_NET_LINK, "dsh.all"},
        {TAG_NET_LINK, "dsh%d"},
        {TAG_NET_LINK, "dshABC"},
        {TAG_NET_LINK, "dsh567890123456"}, // it fits; one more does not
        {TAG_NET_LINK, "dsh4567890123456"},
        {TAG_NET_ADDRESS, "10.0.0.1/32"},
        {TAG_NET_ADDRESS, "10.0.0"},
        {TAG_NET_ADDRESS, " 10.0.0.1"},
        {TAG_NET_ADDRESS, "10.0.0.1 "},
        {TAG_NET_ADDRESS, "fe80::1%eth0"},
        {TAG_NET_RESOLVER, "fd12::1"},
        {TAG_NET_POOL, "10.0.0.0/33"},
        {TAG_NET_POOL, "10.0.0.0/"},
        {TAG_NET_POOL, "10.0.0.0/-1"},
        {TAG_NET_POOL, "fd12::/129"},
        {TAG_NET_RULE, "allow tcp 10.0.0.1 80 x"},
        {TAG_NET_RULE, "allow tcp 10.0.0.1"},
        {TAG_NET_RULE, "allow  tcp 10.0.0.1 80"},
        {TAG_NET_RULE, "let tcp 10.0.0.1 80"},
        {TAG_NET_RULE, "allow sctp 10.0.0.1 80"},
        {TAG_NET_RULE, "allow any 10.0.0.1 80"}, // a port of what has none
        {TAG_NET_RULE, "allow icmp 10.0.0.1 1-2"},
        {TAG_NET_RULE, "allow tcp 10.0.0.1 80-79"},
        {TAG_NET_RULE, "allow tcp 10.0.0.1 0-65536"},
        {TAG_NET_RULE, "allow tcp @ 80"},
        {TAG_NET_RULE, "allow tcp @65536 80"},
        {TAG_NET_RULE, "allow tcp @-1 80"},
        {TAG_NET_PEER, "ada"},
        {TAG_NET_PEER, "ada 10.0.0.0/8"},
        {TAG_NET_PUBLISH, "icmp 127.0.0.1 80 80"},
        {TAG_NET_PUBLISH, "tcp 127.0.0.1 0 80"},
        {TAG_NET_PUBLISH, "tcp 127.0.0.1 8080 0"},
        {TAG_NET_PUBLISH, "udp 127.0.0.1 1-2 1-3"},
        {TAG_NET_RELAY, ""},
        {TAG_NET_RELAY, "run/x"},
        {TAG_NET_MTU, "12"},
        {TAG_NET_RATE, "12345678"},
        {TAG_NET_CONNECTIONS, ""},
    };
    for (size_t index = 0; index < sizeof broken / sizeof *broken; index++) {
        if (strcmp(broken[index].text, "dsh567890123456") == 0)
            CHECK(take(broken[index].tag, broken[index].text) == 1);
        else
            CHECK(take(broken[index].tag, broken[index].text) == -1);
        net_plan_free(&plan);
    }
    const uint32_t small = 67;
    CHECK(take_bytes(TAG_NET_MTU, &small, 4) == -1);
    CHECK(take_bytes(TAG_NET_LINK, "dsh\0abc", 7) == -1);
    CHECK(take_bytes(TAG_NET_ADDRESS, "10.0.0.1\0", 9) == -1);
    static char long_name[400];
    memset(long_name, 'a', sizeof long_name - 1);
    memcpy(long_name + 70, " 10.0.0.1", 10);
    CHECK(take(TAG_NET_PEER, long_name) == -1);
    net_plan_free(&plan);
}

static void test_incomplete(void) {
    static const struct {
        enum wire_tag tag;
        const char *text;
    } fields[] = {{TAG_NET_LINK, "dsha-b"},
                  {TAG_NET_ADDRESS, "10.0.0.1"},
                  {TAG_NET_POOL, "10.0.0.0/16"},
                  {TAG_NET_ADDRESS, "fd12::1"},
                  {TAG_NET_POOL, "fd12::/64"}};
    const uint32_t small = 1000;
    for (size_t without = 0; without <= 5; without++) {
        struct err err = {0};
        for (size_t index = 0; index < 5; index++)
            CHECK(index == without || take(fields[index].tag, fields[index].text) == 1);
        CHECK(net_plan_check(&plan, &err) == (without == 3 || without == 5 ? 0 : -1));
        CHECK(take_bytes(TAG_NET_MTU, &small, 4) == 1); // less than IPv6 takes
        CHECK(net_plan_check(&plan, &err) == (without == 3 ? 0 : -1));
        net_plan_free(&plan);
    }
}

static void test_same_link(void) {
    struct net_plan other = {0};
    CHECK(take(TAG_NET_LINK, "dsha-b") == 1 && take(TAG_NET_ADDRESS, "10.0.0.1") == 1);
    (void)strcpy(other.link, "dsha-b");
    other.address4 = plan.address4;
    CHECK(net_plan_is_same_link(&plan, &other));
    other.address4.address[3] = 2;
    CHECK(!net_plan_is_same_link(&plan, &other));
    other = (struct net_plan){.link = "dsha-c", .address4 = plan.address4};
    CHECK(!net_plan_is_same_link(&plan, &other));
    net_plan_free(&plan);
}

static void test_bounds(void) {
    static const struct {
        enum wire_tag tag;
        const char *text;
        size_t most;
    } lists[] = {{TAG_NET_RULE, "allow tcp @1 80", NET_MOST_RULES},
                 {TAG_NET_HOST, "10.0.0.1", NET_MOST_HOSTS},
                 {TAG_NET_PEER, "ada 10.0.0.1", NET_MOST_PEERS},
                 {TAG_NET_PUBLISH, "tcp 10.0.0.1 80 80", NET_MOST_PUBLISHED}};
    for (size_t index = 0; index < sizeof lists / sizeof *lists; index++) {
        for (size_t count = 0; count < lists[index].most; count++)
            CHECK(take(lists[index].tag, lists[index].text) == 1);
        CHECK(take(lists[index].tag, lists[index].text) == -1);
    }
    net_plan_free(&plan);
}

int main(void) {
    test_whole();
    test_refused();
    test_incomplete();
    test_same_link();
    test_bounds();
    (void)printf("plan_test: ok\n");
    return 0;
}
