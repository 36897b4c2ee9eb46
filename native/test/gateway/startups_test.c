// Tests of what the gateway's listener lets knock (gateway/listen/startups.c), and of its settings.

#include "listen/startups.h"

#include <arpa/inet.h>
#include <string.h>

#include "check.h"

static struct settings *settings;

static struct source at(const char *text) {
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&address;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        four->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
        six->sin6_family = AF_INET6;
    return source_of(&address, settings);
}

static bool same(const char *one, const char *other) {
    struct source first = at(one), second = at(other);
    return memcmp(&first, &second, sizeof first) == 0;
}

static void test_sources(void) {
    CHECK(same("192.0.2.1", "::ffff:192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
    CHECK(same("2001:db8::1", "2001:db8::2:3") && !same("2001:db8::1", "2001:db8:0:1::1"));
    settings->source_bits[0] = 20;
    CHECK(same("192.0.2.1", "192.0.15.255") && !same("192.0.2.1", "192.0.16.1"));
    settings->source_bits[0] = 32;
}

static enum verdict begin(const char *address, uint32_t chance, uint64_t now) {
    struct source source = at(address);
    return startups_begin(settings, &source, chance, now);
}

static void end(const char *address) {
    struct source source = at(address);
    startups_end(&source);
}

static void test_numbers(void) {
    char address[32];
    CHECK(settings->source_most < settings->startups[0]); // one address alone keeps nobody out
    settings->source_most = 3;
    for (int count = 0; count < 3; count++)
        CHECK(begin("192.0.2.1", 0, 1) == VERDICT_IN);
    CHECK(begin("192.0.2.1", 99, 1) == VERDICT_SOURCE_FULL && begin("192.0.2.2", 99, 1) == VERDICT_IN);
    end("192.0.2.1");
    CHECK(begin("192.0.2.1", 99, 1) == VERDICT_IN && startups_count() == 4);
    for (unsigned count = 4; count < 40; count++) {
        (void)snprintf(address, sizeof address, "198.51.100.%u", count);
        CHECK(begin(address, 0, 1) == VERDICT_IN);
    }
    CHECK(begin("203.0.113.1", 29, 1) == VERDICT_FULL && begin("203.0.113.1", 30, 1) == VERDICT_IN);
    for (unsigned count = 41; count < 100; count++) {
        (void)snprintf(address, sizeof address, "203.0.113.%u", count);
        CHECK(begin(address, 99, 1) == VERDICT_IN);
    }
    CHECK(begin("203.0.113.200", 99, 1) == VERDICT_FULL);
    startups_forget();
}

static bool punish(const char *address, enum offence offence, uint64_t now) {
    struct source source = at(address);
    return startups_punish(settings, &source, offence, now);
}

static void test_penalties(void) {
    // Two wrong passwords are no reason yet; the third within fifteen seconds is.
    CHECK(!punish("192.0.2.1", OFFENCE_FAILED, 1000) && !punish("192.0.2.1", OFFENCE_FAILED, 1000));
    CHECK(begin("192.0.2.1", 0, 1000) == VERDICT_IN);
    CHECK(punish("192.0.2.1", OFFENCE_FAILED, 1000) && begin("192.0.2.1", 0, 1000) == VERDICT_KEPT_OUT);
    CHECK(begin("192.0.2.2", 0, 1000) == VERDICT_IN && !punish("192.0.2.1", OFFENCE_NONE, 1000));
    CHECK(begin("192.0.2.1", 0, 15999) == VERDICT_KEPT_OUT && begin("192.0.2.1", 0, 16000) == VERDICT_IN);
    CHECK(!punish("192.0.2.1", OFFENCE_FAILED, 16000) && begin("192.0.2.1", 0, 16000) == VERDICT_IN);
    CHECK(punish("192.0.2.3", OFFENCE_BREACH, 0) && !punish("192.0.2.3", OFFENCE_BREACH, 0));
    for (int count = 0; count < 20; count++)
        (void)punish("192.0.2.3", OFFENCE_BREACH, 0);
    CHECK(begin("192.0.2.3", 0, 599999) == VERDICT_KEPT_OUT && begin("192.0.2.3", 0, 600000) == VERDICT_IN);
    settings->penalties = 0;
    CHECK(!punish("192.0.2.4", OFFENCE_BREACH, 0) && begin("192.0.2.4", 0, 0) == VERDICT_IN);
    settings->penalties = 1;
    startups_forget();
}

// As many addresses as somebody likes take nobody's place who is in, and none for good.
static void test_many(void) {
    char address[64];
    settings->source_most = 1;
    CHECK(begin("192.0.2.1", 0, 0) == VERDICT_IN);
    for (unsigned count = 0; count < 100000; count++) {
        (void)snprintf(address, sizeof address, "2001:db8:%x:%x::1", count >> 16, count & 0xffff);
        (void)punish(address, OFFENCE_BREACH, 0);
    }
    CHECK(begin("192.0.2.1", 0, 0) == VERDICT_SOURCE_FULL && begin("192.0.2.2", 0, 0) == VERDICT_IN);
    startups_forget();
}

static bool set(const char *name, const char *one, const char *other) {
    char *values[] = {(char *)(uintptr_t)one, (char *)(uintptr_t)other};
    return settings_set(settings, name, values, one == NULL ? 0 : other == NULL ? 1 : 2);
}

static void test_settings(void) {
    CHECK(set("methods", "publickey,keyboard-interactive", "password") && settings->way_count == 2);
    CHECK(settings->ways[0].count == 2 && settings->ways[0].steps[1] == METHOD_KEYBOARD);
    CHECK(settings->ways[1].count == 1 && settings->ways[1].steps[0] == METHOD_PASSWORD);
    CHECK(!set("methods", "publickey,none", NULL) && settings->way_count == 0);
    CHECK(!set("methods", NULL, NULL) && !set("methods", "", NULL));
    CHECK(set("pam_service", NULL, NULL) && settings->pam_service == NULL);
    CHECK(set("listen", "1", "2") && settings->listen[2] == NULL && set("listen", NULL, NULL));
    CHECK(settings->listen[0] == NULL && !set("max_startups", "1", "2") && !set("auth_tries", "-1", NULL));
    CHECK(!set("auth_tries", "1x", NULL) && !set("auth_tries", "12345678901", NULL) &&
          !set("nothing", "1", NULL));
}

int main(void) {
    settings = settings_new();
    CHECK(settings != NULL);
    test_sources();
    test_numbers();
    test_penalties();
    test_many();
    test_settings();
    settings_free(settings);
    return 0;
}
