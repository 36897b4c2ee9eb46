#include "serve/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "dns/pins.h"

#define PIN_PATIENCE (2 * SECONDS)
#define MOST_OWN 64

static uint8_t made[DNS_MOST_QUERY_BYTES + 16 + MOST_OWN * DNS_OWN_BYTES];

// ---- the end -----------------------------------------------------------------------------------------

static void end(struct lookup *lookup) {
    struct sandbox *sandbox = lookup->sandbox;
    upstream_stop(&lookup->upstream);
    timer_clear(&lookup->pin_timer);
    *lookup->place = lookup->next;
    if (lookup->next != NULL)
        lookup->next->place = lookup->place;
    if (sandbox->lookup_count-- == MOST_LOOKUPS)
        (void)timer_set(&sandbox->resume, loop_now());
    free(lookup->upstream.message);
    free(lookup->answer);
    free(lookup->from);
    lookup->sandbox = NULL;
    loop_free_later(lookup);
}

void lookup_drop(struct lookup *lookup) {
    end(lookup);
}

static void give(struct lookup *lookup, const uint8_t *bytes, size_t length) {
    if (lookup->asker != NULL)
        lookup->asker->answer(lookup->asker, bytes, length);
    else // what has no room in the socket is lost, as on every network
        (void)sendto(lookup->sandbox->udp.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)lookup->from, lookup->from_size);
}

static void restore_id(const struct lookup *lookup, uint8_t *bytes) {
    bytes[0] = (uint8_t)(lookup->query.id >> 8);
    bytes[1] = (uint8_t)lookup->query.id;
}

static void give_error(struct lookup *lookup, enum dns_code code) {
    restore_id(lookup, lookup->upstream.message);
    give(lookup, made, dns_make_error(lookup->upstream.message, &lookup->query, code, made));
}

// What came from a server.
static void give_answer(struct lookup *lookup, uint8_t *bytes, size_t length) {
    restore_id(lookup, bytes);
    if (lookup->asker == NULL && length > lookup->query.room) {
        restore_id(lookup, lookup->upstream.message);
        length = dns_make_truncated(lookup->upstream.message, &lookup->query, dns_code(bytes), made);
        bytes = made;
    }
    give(lookup, bytes, length);
}

// ---- pins --------------------------------------------------------------------------------------------

static void pin_is_late(struct timer *timer) {
    struct lookup *lookup = OWNER(timer, struct lookup, pin_timer);
    give_error(lookup, DNS_SERVER_FAILURE);
    end(lookup);
}

void lookup_pinned(struct sandbox *sandbox, uint32_t pin, bool done) {
    for (struct lookup *lookup = sandbox->lookups; lookup != NULL; lookup = lookup->next) {
        if (lookup->answer == NULL || lookup->pin != pin)
            continue;
        if (done)
            give_answer(lookup, lookup->answer, lookup->answer_length);
        else
            give_error(lookup, DNS_SERVER_FAILURE);
        end(lookup);
        return;
    }
}

// Keeps the answer, and asks the supervisor.
static bool wait_for_pins(struct lookup *lookup, const uint8_t *bytes, size_t length) {
    lookup->answer = malloc(length);
    if (lookup->answer == NULL)
        return false;
    memcpy(lookup->answer, bytes, length);
    lookup->answer_length = length;
    lookup->pin_timer.due = pin_is_late;
    return timer_set(&lookup->pin_timer, loop_now() + PIN_PATIENCE);
}

static void answered(struct upstream *upstream, const uint8_t *bytes, size_t length) {
    static uint8_t copy[DNS_MOST_BYTES];
    struct lookup *lookup = OWNER(upstream, struct lookup, upstream);
    struct sandbox *sandbox = lookup->sandbox;
    int pins = 0;
    lookup->pin = ++sandbox->pins;
    const struct pin_number number = {lookup->pin, sandbox->generation};
    if (bytes != NULL)
        pins = pins_ask(sandbox->connection.fd, sandbox->policy, &lookup->query, bytes, length, number);
    if (pins > 0 && wait_for_pins(lookup, bytes, length))
        return;
    if (bytes == NULL || pins != 0) {
        give_error(lookup, DNS_SERVER_FAILURE);
    } else {
        memcpy(copy, bytes, length);
        give_answer(lookup, copy, length);
    }
    end(lookup);
}

// ---- the beginning -----------------------------------------------------------------------------------

// Asked again by who has not been patient: the first question is still under way.
static bool is_asked_already(const struct sandbox *sandbox, const struct lookup *again) {
    for (const struct lookup *lookup = sandbox->lookups; lookup != NULL; lookup = lookup->next) {
        if (lookup->asker == NULL && lookup->query.id == again->query.id &&
            lookup->query.type == again->query.type && lookup->from_size == again->from_size &&
            memcmp(lookup->from, again->from, again->from_size) == 0 &&
            dns_name_is(&lookup->query.name, again->query.name.bytes, again->query.name.length))
            return true;
    }
    return false;
}

static struct lookup *go_on(const struct lookup *asked, const uint8_t *bytes, size_t length) {
    struct sandbox *sandbox = asked->sandbox;
    struct lookup *lookup = malloc(sizeof *lookup);
    uint8_t *message = malloc(length);
    struct sockaddr_storage *from = asked->asker != NULL ? NULL : malloc(asked->from_size);
    if (lookup == NULL || message == NULL || (from == NULL && asked->asker == NULL)) {
        free(lookup);
        free(message);
        free(from);
        return NULL;
    }
    *lookup = *asked;
    memcpy(message, bytes, length);
    if (from != NULL)
        memcpy(from, asked->from, asked->from_size);
    lookup->from = from;
    lookup->next = sandbox->lookups;
    lookup->place = &sandbox->lookups;
    if (lookup->next != NULL)
        lookup->next->place = &lookup->next;
    sandbox->lookups = lookup;
    sandbox->lookup_count++;
    struct servers *servers = sandbox->policy->servers;
    lookup->upstream.query = &lookup->query;
    lookup->upstream.message = message;
    lookup->upstream.length = length;
    lookup->upstream.stream = asked->asker != NULL;
    lookup->upstream.servers = servers_use(servers != NULL ? servers : follow_servers());
    lookup->upstream.done = answered;
    upstream_start(&lookup->upstream);
    return lookup->sandbox == NULL ? NULL : lookup; // it may have come to its end at once
}

static struct lookup *ask(struct lookup *lookup, const uint8_t *bytes, size_t length) {
    struct dns_address own[MOST_OWN];
    size_t count;
    int code = dns_read_query(bytes, length, &lookup->query);
    if (code < 0)
        return NULL;
    if (code != DNS_OK) {
        give(lookup, made, dns_make_error(bytes, &lookup->query, (enum dns_code)code, made));
        return NULL;
    }
    if (policy_own(lookup->sandbox->policy, &lookup->query.name, own, MOST_OWN, &count)) {
        give(lookup, made, dns_make_own(bytes, &lookup->query, own, count, made));
        return NULL;
    }
    if (lookup->asker == NULL && is_asked_already(lookup->sandbox, lookup))
        return NULL;
    return go_on(lookup, bytes, length);
}

struct lookup *lookup_by_udp(struct sandbox *sandbox, const struct sockaddr_storage *from, socklen_t size,
                             const uint8_t *bytes, size_t length) {
    struct lookup lookup = {
        .sandbox = sandbox, .from = (struct sockaddr_storage *)(uintptr_t)from, .from_size = size};
    return ask(&lookup, bytes, length);
}

struct lookup *lookup_by_tcp(struct sandbox *sandbox, struct asker *asker, const uint8_t *bytes,
                             size_t length) {
    struct lookup lookup = {.sandbox = sandbox, .asker = asker};
    return ask(&lookup, bytes, length);
}
