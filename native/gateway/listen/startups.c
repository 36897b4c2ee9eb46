#include "listen/startups.h"

#include <netinet/in.h>
#include <string.h>

#define SOURCES_MOST 4096 // more than may wait at a time, and as many as are worth remembering

struct entry {
    struct source source;
    uint32_t startups;
    uint64_t until_ms; // of its penalty, all in all
    bool kept_out;     // it has become so much that it counts
    bool used;
};

static struct entry entries[SOURCES_MOST];
static uint32_t startups;

// Milliseconds that each offence costs; they add up.
static const uint32_t costs[] = {[OFFENCE_NONE] = 0,      [OFFENCE_NOTHING] = 1000, [OFFENCE_FAILED] = 5000,
                                 [OFFENCE_NOBODY] = 5000, [OFFENCE_TIME] = 10000,   [OFFENCE_BREACH] = 90000};

static void keep_bits(uint8_t *bytes, size_t size, uint32_t bits) {
    for (size_t index = 0; index < size; index++) {
        uint32_t left = bits > index * 8 ? bits - (uint32_t)index * 8 : 0;
        if (left < 8)
            bytes[index] &= (uint8_t)(0xff00u >> left);
    }
}

struct source source_of(const struct sockaddr_storage *address, const struct settings *settings) {
    struct source source = {.family = 4};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        memcpy(source.bytes, &in->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
        source.family = mapped ? 4 : 6;
        memcpy(source.bytes, (const uint8_t *)&in->sin6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    if (source.family == 4)
        keep_bits(source.bytes, 4, settings->source_bits[0]);
    else
        keep_bits(source.bytes, 16, settings->source_bits[1]);
    return source;
}

static uint32_t hash(const struct source *source) {
    uint32_t value = 2166136261u ^ source->family;
    for (size_t index = 0; index < sizeof source->bytes; index++)
        value = (value ^ source->bytes[index]) * 16777619u;
    return value;
}

// Its entry, or one for it where `make`: in one of a few places, the one that nobody needs any longer, or
// that forgives soonest. NULL: there is none.
static struct entry *find(const struct source *source, bool make) {
    enum { PLACES = 32 };
    struct entry *spare = NULL;
    uint32_t first = hash(source);
    for (uint32_t index = 0; index < PLACES; index++) {
        struct entry *entry = &entries[(first + index) % SOURCES_MOST];
        if (entry->used && memcmp(&entry->source, source, sizeof *source) == 0)
            return entry;
        if (entry->startups == 0 && (spare == NULL || entry->until_ms < spare->until_ms))
            spare = entry;
    }
    if (!make || spare == NULL)
        return NULL;
    *spare = (struct entry){.source = *source, .used = true};
    return spare;
}

// From `startups[0]` on with a chance of `startups[1]` percent, which grows to certainty at `startups[2]`.
static bool is_full(const struct settings *settings, uint32_t chance) {
    uint32_t begin = settings->startups[0], rate = settings->startups[1], most = settings->startups[2];
    if (startups < begin)
        return false;
    if (startups >= most || rate >= 100)
        return true;
    return chance < rate + (100 - rate) * (startups - begin) / (most - begin);
}

enum verdict startups_begin(const struct settings *settings, const struct source *source, uint32_t chance,
                            uint64_t now_ms) {
    struct entry *entry = find(source, true);
    if (settings->penalties != 0 && entry != NULL && entry->kept_out && entry->until_ms > now_ms)
        return VERDICT_KEPT_OUT;
    if (is_full(settings, chance))
        return VERDICT_FULL;
    if (entry == NULL || (settings->source_most != 0 && entry->startups >= settings->source_most))
        return VERDICT_SOURCE_FULL;
    entry->startups++;
    startups++;
    return VERDICT_IN;
}

void startups_end(const struct source *source) {
    struct entry *entry = find(source, false);
    if (startups > 0)
        startups--;
    if (entry != NULL && entry->startups > 0)
        entry->startups--;
}

uint32_t startups_count(void) {
    return startups;
}

bool startups_punish(const struct settings *settings, const struct source *source, enum offence offence,
                     uint64_t now_ms) {
    struct entry *entry = settings->penalties != 0 && costs[offence] > 0 ? find(source, true) : NULL;
    if (entry == NULL)
        return false;
    uint64_t least = (uint64_t)settings->penalty_min_s * 1000,
             most = (uint64_t)settings->penalty_max_s * 1000;
    bool over = entry->until_ms <= now_ms;
    bool before = entry->kept_out && !over;
    uint64_t until = (over ? now_ms : entry->until_ms) + costs[offence];
    entry->until_ms = until < now_ms + most ? until : now_ms + most;
    entry->kept_out = before || entry->until_ms - now_ms >= least;
    return entry->kept_out && !before;
}

void startups_forget(void) {
    memset(entries, 0, sizeof entries);
    startups = 0;
}
