#include "arguments.h"

#include <stdio.h>
#include <string.h>

#include "decimal.h"
#include "report.h"

int arguments_usage(void) {
    (void)fputs("usage: dockersh-layer unpack|pack|list|diff|chain|copy|follow|swap|usage|project|remove "
                "[--max-entries N] "
                "[--max-bytes N] [--max-depth N] [--max-path N] [--max-memory N] [--overlay yes] "
                "[--open-end yes] [--skip-zeros yes] [--one-file-system yes] [--for-image yes] [--part NAME] "
                "[--uid-map MAP] [--gid-map MAP] "
                "[PATH...]\n",
                stderr);
    return FAILURE_USAGE;
}

static bool take_map(const char *text, struct id_map *map) {
    struct err err = {0};
    return text != NULL && id_map_parse(text, map, &err) == 0;
}

static bool take_switch(const char *text, bool *value) {
    *value = text != NULL && strcmp(text, "yes") == 0;
    return *value;
}

// One name, which the paths of an archive begin with.
static bool take_part(const char *text, const char **part) {
    *part = text;
    return text != NULL && text[0] != '\0' && strchr(text, '/') == NULL && strlen(text) <= 255;
}

static bool take_option(const char *name, const char *value, struct arguments *arguments) {
    struct limits *limits = &arguments->limits;
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {
        {"--max-entries", &limits->max_entries}, {"--max-bytes", &limits->max_bytes},
        {"--max-depth", &limits->max_depth},     {"--max-path", &limits->max_path},
        {"--max-memory", &limits->max_memory},
    };
    if (strcmp(name, "--uid-map") == 0)
        return take_map(value, &arguments->uids);
    if (strcmp(name, "--gid-map") == 0)
        return take_map(value, &arguments->gids);
    if (strcmp(name, "--part") == 0)
        return take_part(value, &arguments->part);
    if (strcmp(name, "--overlay") == 0)
        return take_switch(value, &arguments->overlay);
    if (strcmp(name, "--skip-zeros") == 0)
        return take_switch(value, &arguments->skip_zeros);
    if (strcmp(name, "--open-end") == 0)
        return take_switch(value, &limits->open_end);
    if (strcmp(name, "--one-file-system") == 0)
        return take_switch(value, &arguments->one_file_system);
    if (strcmp(name, "--for-image") == 0)
        return take_switch(value, &arguments->for_image);
    for (size_t index = 0; index < sizeof options / sizeof *options; index++)
        if (strcmp(options[index].name, name) == 0)
            return value != NULL && decimal_parse(value, strlen(value), options[index].value) == 0;
    return false;
}

bool arguments_take(struct arguments *arguments, int argc, char **argv) {
    int at = 2;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (!take_option(argv[at], at + 1 < argc ? argv[at + 1] : NULL, arguments))
            return false;
    if (argc < 2 || at > argc)
        return false;
    if (arguments->limits.max_path > 3500)
        arguments->limits.max_path = 3500; // what tree.c and the store's prefix leave of PATH_MAX
    arguments->paths = argv + at;
    arguments->path_count = argc - at;
    return true;
}
