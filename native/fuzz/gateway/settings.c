// Fuzzes requests of a connection process, and the settings that the daemon writes: both are messages.

#include "settings.h"

#include "fuzz.h"
#include "monitor/asked.h"

static void check(const struct settings *settings) {
    REQUIRE(settings->way_count <= MOST_WAYS && settings->way_count > 0);
    for (size_t index = 0; index < settings->way_count; index++) {
        const struct way *way = &settings->ways[index];
        REQUIRE(way->count > 0 && way->count <= MOST_STEPS);
        for (size_t step = 0; step < way->count; step++)
            REQUIRE(way->steps[step] > METHOD_NONE && way->steps[step] < METHODS);
    }
    REQUIRE(settings->listen[MOST_LISTENERS] == NULL && settings->key_files[MOST_KEY_FILES] == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char problem[32];
    struct wire_reader reader;
    struct asked asked;
    if (wire_open(&reader, bytes, length)) {
        struct settings *settings = settings_of(reader, problem, sizeof problem);
        if (settings != NULL)
            check(settings);
        else
            REQUIRE(strlen(problem) < sizeof problem);
        settings_free(settings);
    }
    if (asked_open(&asked, bytes, length, 0)) {
        char *text = asked_text(&asked, TAG_USER, 255);
        REQUIRE(text == NULL || strlen(text) <= 255);
        free(text);
        REQUIRE(asked_bytes(&asked, TAG_GW_DATA).length <= length);
    }
    return 0;
}
