#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define MOST_VALUES 64

static const char *const method_names[METHODS] = {"none", "publickey", "password", "keyboard-interactive"};

const char *method_name(enum method method) {
    return method_names[method];
}

enum method method_of(const char *name, size_t length) {
    for (int method = 0; method < METHODS; method++)
        if (strlen(method_names[method]) == length && memcmp(method_names[method], name, length) == 0)
            return (enum method)method;
    return METHODS;
}

// ---- kinds of values -----------------------------------------------------------------------------------

enum kind { KIND_NUMBERS, KIND_TEXT, KIND_LIST, KIND_WAYS };

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset, most; // most: of a list, and of numbers exactly as many
} rows[] = {
    {"listen", KIND_LIST, offsetof(struct settings, listen), MOST_LISTENERS},
    {"web", KIND_LIST, offsetof(struct settings, web), MOST_LISTENERS},
    {"web_certificate", KIND_TEXT, offsetof(struct settings, web_certificate), 0},
    {"web_key", KIND_TEXT, offsetof(struct settings, web_key), 0},
    {"host_keys", KIND_LIST, offsetof(struct settings, host_keys), MOST_HOST_KEYS},
    {"methods", KIND_WAYS, 0, 0},
    {"authorized_keys_files", KIND_LIST, offsetof(struct settings, key_files), MOST_KEY_FILES},
    {"authorized_keys_command", KIND_LIST, offsetof(struct settings, keys_command), MOST_WORDS_OF_COMMAND},
    {"authorized_keys_command_user", KIND_TEXT, offsetof(struct settings, keys_command_user), 0},
    {"trusted_ca", KIND_TEXT, offsetof(struct settings, ca_keys), 0},
    {"principals_file", KIND_TEXT, offsetof(struct settings, principals_file), 0},
    {"revoked_keys", KIND_TEXT, offsetof(struct settings, revoked_keys), 0},
    {"pam_service", KIND_TEXT, offsetof(struct settings, pam_service), 0},
    {"banner", KIND_TEXT, offsetof(struct settings, banner), 0},
    {"auth_tries", KIND_NUMBERS, offsetof(struct settings, tries), 1},
    {"grace_time", KIND_NUMBERS, offsetof(struct settings, grace_s), 1},
    {"max_startups", KIND_NUMBERS, offsetof(struct settings, startups), 3},
    {"source_startups", KIND_NUMBERS, offsetof(struct settings, source_most), 1},
    {"source_bits", KIND_NUMBERS, offsetof(struct settings, source_bits), 2},
    {"penalties", KIND_NUMBERS, offsetof(struct settings, penalties), 1},
    {"penalty_max", KIND_NUMBERS, offsetof(struct settings, penalty_max_s), 1},
    {"penalty_min", KIND_NUMBERS, offsetof(struct settings, penalty_min_s), 1},
    {"spare_processes", KIND_NUMBERS, offsetof(struct settings, spare), 1},
};

static bool number_of(const char *text, uint32_t *value) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        return false;
    *value = (uint32_t)strtoul(text, NULL, 10);
    return true;
}

static bool set_text(char **place, const char *value) {
    char *copy = value[0] == '\0' ? NULL : strdup(value);
    if (copy == NULL && value[0] != '\0')
        return false;
    free(*place);
    *place = copy;
    return true;
}

static bool set_list(char **places, size_t most, char *const *values, size_t count) {
    if (count > most)
        return false;
    for (size_t index = 0; index < most; index++)
        if (!set_text(&places[index], index < count ? values[index] : ""))
            return false;
    return true;
}

// "publickey,keyboard-interactive"
static bool set_way(struct way *way, const char *text) {
    way->count = 0;
    for (;;) {
        size_t length = strcspn(text, ",");
        enum method method = method_of(text, length);
        if (method == METHODS || method == METHOD_NONE || way->count == MOST_STEPS)
            return false;
        way->steps[way->count++] = method;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool set_ways(struct settings *settings, char *const *values, size_t count) {
    if (count == 0 || count > MOST_WAYS)
        return false;
    settings->way_count = 0; // none of them would let anybody in
    for (size_t index = 0; index < count; index++)
        if (!set_way(&settings->ways[index], values[index]))
            return false;
    settings->way_count = count;
    return true;
}

static bool set_row(struct settings *settings, const struct row *row, char *const *values, size_t count) {
    void *place = (char *)settings + row->offset;
    uint32_t *numbers = place;
    switch (row->kind) {
    case KIND_NUMBERS:
        for (size_t index = 0; index < count && index < row->most; index++)
            if (!number_of(values[index], &numbers[index]))
                return false;
        return count == row->most;
    case KIND_TEXT:
        return count <= 1 && set_text(place, count == 1 ? values[0] : "");
    case KIND_LIST:
        return set_list(place, row->most, values, count);
    case KIND_WAYS:
        return set_ways(settings, values, count);
    }
    return false;
}

bool settings_set(struct settings *settings, const char *name, char *const *values, size_t count) {
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++)
        if (strcmp(rows[index].name, name) == 0)
            return set_row(settings, &rows[index], values, count);
    return false;
}

// ---- all of them ---------------------------------------------------------------------------------------

void settings_free(struct settings *settings) {
    if (settings == NULL)
        return;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        char **places = (char **)(void *)((char *)settings + rows[index].offset);
        size_t count = rows[index].kind == KIND_TEXT   ? 1
                       : rows[index].kind == KIND_LIST ? rows[index].most
                                                       : 0;
        while (count > 0)
            free(places[--count]);
    }
    free(settings);
}

struct settings *settings_new(void) {
    struct settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        return NULL;
    *settings = (struct settings){.ways = {{.steps = {METHOD_PUBLICKEY}, .count = 1}},
                                  .way_count = 1,
                                  .tries = 6,
                                  .grace_s = 120,
                                  .startups = {40, 30, 100},
                                  .source_most = 20,
                                  .source_bits = {32, 64},
                                  .penalties = 1,
                                  .penalty_max_s = 600,
                                  .penalty_min_s = 15,
                                  .spare = 2};
    char *files[] = {".ssh/authorized_keys", ".ssh/authorized_keys2"};
    char *addresses[] = {"2222"}, *service[] = {"dockersh-gateway"};
    if (settings_set(settings, "authorized_keys_files", files, 2) &&
        settings_set(settings, "listen", addresses, 1) && settings_set(settings, "pam_service", service, 1))
        return settings;
    settings_free(settings);
    return NULL;
}

// A name and its values, with a NUL between each two of them; "name" alone has no values.
static bool set_parts(struct settings *settings, char *parts, size_t length) {
    char *values[MOST_VALUES];
    size_t count = 0;
    for (char *at = parts + strlen(parts); at < parts + length; at += strlen(at)) {
        if (count == MOST_VALUES)
            return false;
        values[count++] = ++at;
    }
    return settings_set(settings, parts, values, count);
}

struct settings *settings_of(struct wire_reader reader, char *problem, size_t size) {
    struct settings *settings = settings_new();
    struct wire_field field;
    (void)snprintf(problem, size, "memory is short");
    while (settings != NULL && wire_next(&reader, &field)) {
        if (field.tag != TAG_GW_SETTING)
            continue;
        cleanup_free char *parts = malloc((size_t)field.length + 1);
        bool set = false;
        if (parts != NULL) {
            memcpy(parts, field.value, field.length);
            parts[field.length] = '\0';
            (void)snprintf(problem, size, "%s", parts);
            set = set_parts(settings, parts, field.length);
        }
        if (set)
            continue;
        settings_free(settings);
        settings = NULL;
    }
    return settings;
}
