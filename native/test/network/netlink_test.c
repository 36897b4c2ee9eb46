// Tests of the netlink messages (network/netlink.c): lengths and alignment of what is built, bounds of what
// is read, and what a real kernel answers, from a namespace of the test's own where there is the right to
// make one.

#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct netlink_batch batch;

static void test_layout(void) {
    netlink_begin(&batch, 7, NLM_F_CREATE, "abc", 3, "one", NULL);
    netlink_put_text(&batch, 1, "xy");
    netlink_nest(&batch, 2);
    netlink_put_u8(&batch, 3, 9);
    netlink_nest_header(&batch, 4, "12345", 5);
    netlink_put_be32(&batch, 5, 0x01020304);
    netlink_close(&batch);
    netlink_close(&batch);
    netlink_begin(&batch, 8, 0, NULL, 0, "two", NULL);
    CHECK(!batch.overflow && batch.step_count == 2);
    CHECK(batch.used == 16 + 4 + 8 + (4 + 8 + (4 + 8 + 8)) + 16);

    struct netlink_reader reader = {.at = batch.bytes, .end = batch.bytes + batch.used};
    struct netlink_message message;
    struct netlink_attribute outer, inner;
    CHECK(netlink_next_message(&reader, &message) && message.type == 7 && message.sequence == 1);
    CHECK(message.length == batch.used - 2 * 16 && memcmp(message.body, "abc", 3) == 0);
    struct netlink_reader attributes = netlink_attributes(&message, 3);
    CHECK(netlink_next_attribute(&attributes, &outer) && outer.type == 1 && outer.length == 3);
    CHECK(strcmp((const char *)outer.value, "xy") == 0);
    CHECK(netlink_next_attribute(&attributes, &outer) && outer.type == 2);
    struct netlink_reader nested = {.at = outer.value, .end = outer.value + outer.length};
    CHECK(netlink_next_attribute(&nested, &inner) && inner.type == 3 && inner.value[0] == 9);
    CHECK(netlink_next_attribute(&nested, &inner) && inner.type == 4 && inner.length == 16);
    CHECK(memcmp(inner.value, "12345", 5) == 0 && memcmp(inner.value + 12, "\1\2\3\4", 4) == 0);
    CHECK(!netlink_next_attribute(&nested, &inner) && !netlink_next_attribute(&attributes, &outer));
    netlink_free(&batch);
}

static void test_overflow(void) {
    static uint8_t large[70000];
    struct err err = {0};
    CHECK(netlink_send(-1, &batch, FAILURE_SYSTEM, &err) == -1); // nothing to send
    netlink_begin(&batch, 7, 0, NULL, 0, "one", NULL);
    netlink_put(&batch, 1, large, sizeof large);
    CHECK(batch.overflow && netlink_send(-1, &batch, FAILURE_SYSTEM, &err) == -1 && err.number == ENOMEM);
    netlink_clear(&batch);
    netlink_begin(&batch, 7, 0, NULL, 0, "one", NULL);
    netlink_nest(&batch, 1);
    netlink_put(&batch, 1, large, 60000);
    netlink_put(&batch, 1, large, 6000);
    netlink_close(&batch); // too long for its own length
    CHECK(batch.overflow);
    netlink_clear(&batch);
    netlink_begin(&batch, 7, 0, NULL, 0, "one", NULL);
    netlink_nest(&batch, 1);
    CHECK(netlink_send(-1, &batch, FAILURE_SYSTEM, &err) == -1); // never closed
    netlink_clear(&batch);
    for (int index = 0; index < 300; index++) {
        netlink_begin(&batch, 7, 0, NULL, 0, "one", NULL);
        netlink_put(&batch, 1, large, 60000);
    }
    CHECK(batch.overflow);
    netlink_free(&batch);
}

static void test_damaged(void) {
    uint64_t random = 77;
    for (int round = 0; round < 20000; round++) {
        netlink_clear(&batch);
        for (int index = 0; index < 3; index++) {
            netlink_begin(&batch, 7, 0, "abcd", 4, "one", NULL);
            netlink_put(&batch, 1, "0123456789", random_below(&random, 11));
            netlink_put_u64(&batch, 2, 5);
        }
        size_t length = damage(&random, batch.bytes, batch.used);
        uint8_t *copy = malloc(length == 0 ? 1 : length); // so that a read behind it is seen
        CHECK(copy != NULL);
        memcpy(copy, batch.bytes, length);
        struct netlink_reader reader = {.at = copy, .end = copy + length};
        struct netlink_message message;
        struct netlink_attribute attribute;
        unsigned sum = 0;
        while (netlink_next_message(&reader, &message)) {
            struct netlink_reader attributes = netlink_attributes(&message, random_below(&random, 20));
            while (netlink_next_attribute(&attributes, &attribute))
                for (unsigned index = 0; index < attribute.length; index++)
                    sum += attribute.value[index];
        }
        CHECK(sum < 1000000);
        free(copy);
    }
    netlink_free(&batch);
}

static void begin_link(const char *name, uint16_t flags, const char *what) {
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    netlink_begin(&batch, RTM_NEWLINK, flags, &info, sizeof info, what, NULL);
    netlink_put_text(&batch, IFLA_IFNAME, name);
}

static int count_links(void *context, const struct netlink_message *message, struct err *err) {
    (void)err;
    if (message->type == RTM_NEWLINK)
        (*(int *)context)++;
    return 0;
}

static void test_kernel(void) {
    if (unshare(CLONE_NEWNET) != 0) {
        (void)printf("netlink_test: no network namespace may be made, its part is left out\n");
        return;
    }
    struct err err = {0};
    int fd = netlink_open(NETLINK_ROUTE, &err);
    CHECK(fd >= 0);
    begin_link("lo", 0, "one");
    begin_link("none", 0, "two");
    begin_link("lo", 0, "three");
    CHECK(netlink_send(fd, &batch, FAILURE_SYSTEM, &err) == -1);
    CHECK(err.number == ENODEV && strcmp(err.what, "two") == 0);
    netlink_clear(&batch);
    begin_link("lo", 0, "one");
    begin_link("none", 0, "two");
    netlink_tolerate(&batch, ENODEV);
    CHECK(netlink_send(fd, &batch, FAILURE_SYSTEM, &err) == 0);

    netlink_clear(&batch);
    const struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
    int links = 0;
    netlink_begin(&batch, RTM_GETLINK, NLM_F_DUMP, &all, sizeof all, "list", NULL);
    CHECK(netlink_ask(fd, &batch, count_links, &links, FAILURE_SYSTEM, &err) == 0 && links >= 1);
    netlink_clear(&batch);
    netlink_begin(&batch, RTM_GETLINK, 0, &all, sizeof all, "one", NULL);
    netlink_put_text(&batch, IFLA_IFNAME, "none");
    CHECK(netlink_ask(fd, &batch, count_links, &links, FAILURE_NETWORK, &err) == -1);
    CHECK(err.number == ENODEV && err.code == FAILURE_NETWORK);
    netlink_free(&batch);
    (void)close(fd);
}

int main(void) {
    test_layout();
    test_overflow();
    test_damaged();
    test_kernel();
    (void)printf("netlink_test: ok\n");
    return 0;
}
