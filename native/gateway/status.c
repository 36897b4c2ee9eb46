#include "status.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "loop.h"

#define NAME "gateway.status"
#define SOON (1 * SECONDS)
#define ALIVE (10 * SECONDS)
#define MOST_BYTES 8192

struct counts status_counts;
static char path[4096], fresh[4096 + 8];
static long long started_at;
static struct timer due;
static bool changed;

// An address, which is the policy's: nothing in it needs to be quoted, and what would is left out.
static size_t add_address(char *text, size_t size, const char *address, bool first) {
    for (const char *at = address; *at != '\0'; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            return 0;
    int length = snprintf(text, size, "%s\"%s\"", first ? "" : ",", address);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

static void list_addresses(char *text, size_t size, char *const *addresses) {
    size_t used = 0;
    text[0] = '\0';
    for (char *const *address = addresses; *address != NULL; address++)
        used += add_address(text + used, size - used, *address, used == 0);
}

static void write_status(void) {
    char bytes[MOST_BYTES], addresses[1400] = "", web[1400] = "", unreachable[1400] = "";
    const struct counts *counts = &status_counts;
    if (counts->settings != NULL) {
        list_addresses(addresses, sizeof addresses, counts->settings->listen);
        list_addresses(web, sizeof web, counts->settings->web);
    }
    if (counts->unreachable != NULL)
        list_addresses(unreachable, sizeof unreachable, counts->unreachable);
    int length =
        snprintf(bytes, sizeof bytes,
                 "{\"pid\":%d,\"startedAt\":%lld,\"listen\":[%s],\"unreachable\":[%s],\"waiting\":%u,"
                 "\"accepted\":%llu,"
                 "\"loggedIn\":%llu,\"refused\":{\"full\":%llu,\"address\":%llu,\"penalty\":%llu,"
                 "\"failed\":%llu},"
                 "\"web\":{\"listen\":[%s],\"accepted\":%llu,\"loggedIn\":%llu}}\n",
                 (int)getpid(), started_at, addresses, unreachable, (unsigned)counts->waiting,
                 (unsigned long long)counts->accepted, (unsigned long long)counts->logged_in,
                 (unsigned long long)counts->full, (unsigned long long)counts->source_full,
                 (unsigned long long)counts->kept_out, (unsigned long long)counts->failed, web,
                 (unsigned long long)counts->web_accepted, (unsigned long long)counts->web_logged_in);
    cleanup_fd int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    // Nobody depends on it: where it can't be written, the gateway seems not to run.
    if (file >= 0 && write(file, bytes, (size_t)length) == length)
        (void)rename(fresh, path);
}

static void tell(struct timer *timer) {
    changed = false;
    write_status();
    (void)timer_set(timer, loop_now() + ALIVE);
}

void status_open(const char *run_folder) {
    started_at = (long long)time(NULL);
    due.due = tell;
    (void)snprintf(path, sizeof path, "%s/" NAME, run_folder);
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    (void)timer_set(&due, loop_now());
}

void status_changed(void) {
    if (changed)
        return;
    changed = true;
    (void)timer_set(&due, loop_now() + SOON);
}

void status_close(void) {
    (void)unlink(path);
}
