// Tests of authorized_keys (gateway/auth/keys): its lines, and what their options give and take.

#include "auth/keys/lines.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "check.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPrhefhcrkluUsEJqxl/NrcuuaWfpcoyYlG1DTBbYWBe"

struct seen {
    struct key_search search; // first
    struct key_options options;
    unsigned number;
};

static bool found(struct key_search *search, struct key_line *line) {
    struct seen *seen = (struct seen *)(void *)search;
    seen->options = line->options;
    line->options = (struct key_options){0};
    seen->number = line->number;
    return true;
}

// The line that counts, from 1 on; 0: none.
static unsigned look(struct seen *seen, const char *text) {
    static uint8_t blob[256];
    const char *encoded = strchr(KEY, ' ') + 1;
    int length = EVP_DecodeBlock(blob, (const uint8_t *)encoded, (int)strlen(encoded));
    *seen = (struct seen){
        .search = {.blob = {.at = blob, .length = (size_t)length}, .place = "a test", .found = found}};
    (void)key_lines_search(&seen->search, text, strlen(text));
    return seen->number;
}

static struct key_options options_of(const char *options) {
    char text[1024];
    struct seen seen;
    (void)snprintf(text, sizeof text, "%s " KEY " somebody\n", options);
    CHECK(look(&seen, text) == 1);
    return seen.options;
}

static bool is_refused(const char *options) {
    char text[1024];
    struct seen seen;
    (void)snprintf(text, sizeof text, "%s " KEY "\n", options);
    bool refused = look(&seen, text) == 0;
    key_options_free(&seen.options);
    return refused;
}

static void test_lines(void) {
    struct seen seen;
    CHECK(look(&seen, KEY) == 1 && look(&seen, "\n# a word\n  " KEY " ada@host\n") == 3);
    CHECK(look(&seen, KEY "\r\n") == 1 && look(&seen, "#" KEY "\n") == 0);
    CHECK(look(&seen, "") == 0 && look(&seen, "ssh-ed25519") == 0 && look(&seen, "ssh-ed25519 AAAA\n") == 0);
    CHECK(look(&seen, "ssh-rsa\tAAAAB3NzaC1yc2E=\n" KEY) == 2);
    // A line that is not understood lets nobody in, and is no end.
    CHECK(look(&seen, "nonsense " KEY "\n" KEY "\n") == 2);
    CHECK(look(&seen, "command=\"unended " KEY "\n" KEY "\n") == 2);
}

static void test_switches(void) {
    struct key_options options = options_of("restrict,pty,no-user-rc");
    CHECK(options.grant.no_agent && options.grant.no_x11 && options.grant.no_forwarding &&
          !options.grant.no_pty);
    options = options_of("No-Pty,no-port-forwarding,no-X11-forwarding,no-agent-forwarding");
    CHECK(options.grant.no_agent && options.grant.no_x11 && options.grant.no_forwarding &&
          options.grant.no_pty);
    options = options_of("cert-authority,no-touch-required,verify-required");
    CHECK(options.authority && options.no_touch && options.verify);
    options = options_of("tunnel=\"0\"");
    CHECK(!options.grant.no_forwarding);
}

static void test_values(void) {
    struct key_options options =
        options_of("command=\"echo \\\"a, "
                   "b\\\"\",from=\"192.0.2.*,!192.0.2.7\",environment=\"A=1\",environment=\"B= x\"");
    CHECK(strcmp(options.grant.command, "echo \"a, b\"") == 0 &&
          strcmp(options.from, "192.0.2.*,!192.0.2.7") == 0);
    CHECK(options.grant.variables.count == 2 && strcmp(options.grant.variables.texts[1], "B= x") == 0);
    key_options_free(&options);
    options = options_of("permitopen=\"localhost:80\",permitopen=\"[::1]:*\",permitlisten=\"8080\"");
    CHECK(options.grant.opens.count == 2 && options.grant.listens.count == 1 &&
          options.grant.opens.texts[2] == NULL);
    key_options_free(&options);
    options = options_of("expiry-time=\"20010101\"");
    CHECK(options.expired);
    options = options_of("expiry-time=\"99990101Z\"");
    CHECK(!options.expired);
    options = options_of("cert-authority,principals=\"ada,students\"");
    CHECK(options.authority && strcmp(options.principals, "ada,students") == 0);
    key_options_free(&options);
}

static void test_refused(void) {
    static const char *const wrong[] = {
        "pty,",
        ",pty",
        "pty,,restrict",
        "unknown",
        "no-restrict",
        "command",
        "command=",
        "command=true",
        "command=\"a\",command=\"b\"",
        "pty=\"yes\"",
        "environment=\"no name\"",
        "environment=\"=1\"",
        "permitopen=\"80\"",
        "permitopen=\":80\"",
        "permitopen=\"localhost:\"",
        "permitopen=\"localhost:http\"",
        "permitlisten=\"x\"",
        "expiry-time=\"soon\"",
        "expiry-time=\"20011301\"",
        "expiry-time=\"2001010\"",
        "from=\"a\"\"b\"",
        "zos-key-ring-label=\"x\"",
    };
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++)
        CHECK(is_refused(wrong[index]));
}

static void test_times(void) {
    time_t moment;
    CHECK(key_time_read("19700101000001Z", &moment) && moment == 1);
    CHECK(key_time_read("200001010000Z", &moment) && moment == 946684800);
    CHECK(!key_time_read("", &moment) && !key_time_read("Z", &moment) &&
          !key_time_read("2000010124", &moment));
}

static void test_grants(void) {
    struct grant one = {0}, other = {.no_pty = true, .command = strdup("a")};
    CHECK(grant_list_add(&other.opens, strdup("h:1")) && grant_join(&one, &other));
    CHECK(one.no_pty && strcmp(one.command, "a") == 0 && one.opens.count == 1);
    other = (struct grant){.command = strdup("b")};
    CHECK(!grant_join(&one, &other)); // a second key that would have another command run
    other = (struct grant){0};
    CHECK(grant_list_add(&other.opens, strdup("h:2")) && !grant_join(&one, &other));
    grant_free(&one);
    for (size_t count = 0; count < MOST_GRANTS; count++)
        CHECK(grant_list_add(&one.listens, strdup("1")));
    CHECK(!grant_list_add(&one.listens, strdup("1")));
    grant_free(&one);
}

int main(void) {
    test_lines();
    test_switches();
    test_values();
    test_refused();
    test_times();
    test_grants();
    return 0;
}
