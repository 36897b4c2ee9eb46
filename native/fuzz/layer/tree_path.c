// Fuzzes paths of archives: a clean one stays below its root, and is clean already when it is cleaned again.

#include "cleanup.h"
#include "fuzz.h"
#include "unpack/tree.h"

static void check(const struct tree *tree, const struct tree_path *clean) {
    REQUIRE(clean->path[0] != '/' && strstr(clean->path, "//") == NULL);
    REQUIRE(clean->name >= clean->path && strchr(clean->name, '/') == NULL);
    uint64_t depth = 0;
    for (const char *at = clean->path; *at != '\0'; at += *at == '/') {
        size_t part = strcspn(at, "/");
        REQUIRE(part > 0 && part <= 255 && !(part <= 2 && strspn(at, ".") >= part));
        at += part;
        depth++;
    }
    REQUIRE(depth <= tree->limits->max_depth && strlen(clean->path) <= tree->limits->max_path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const struct limits limits = {.max_depth = 20, .max_path = 400};
    struct tree tree;
    struct tree_path clean = {0}, again = {0};
    struct err err = {0};
    tree_open(&tree, -1, -1, &limits);
    cleanup_free char *text = fuzz_text(bytes, length);
    if (tree_clean(&tree, text, &clean, &err) == 0) {
        check(&tree, &clean);
        REQUIRE(tree_clean(&tree, clean.path, &again, &err) == 0 && strcmp(clean.path, again.path) == 0);
    }
    tree_path_clear(&again);
    tree_path_clear(&clean);
    tree_close(&tree);
    return 0;
}
