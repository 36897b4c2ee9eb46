// Tests of the parts of dockersh-layer that need no file system: paths, attributes, access lists, id maps,
// and links. Needs no privilege.

#include <stdio.h>
#include <string.h>

#include "attributes/access_list.h"
#include "attributes/attributes.h"
#include "attributes/id_map.h"
#include "check.h"
#include "cleanup.h"
#include "unpack/tree.h"
#include "walk/links.h"

static void test_paths(void) {
    const struct limits limits = {.max_depth = 4, .max_path = 300};
    struct tree tree;
    struct err err = {0};
    tree_open(&tree, CLOSED_FD, CLOSED_FD, &limits);
    static const struct {
        const char *path, *clean, *name;
    } good[] = {
        {"a", "a", "a"},
        {"/a//b/", "a/b", "b"},
        {"./a/./b", "a/b", "b"},
        {"./", "", ""},
        {"/", "", ""},
        {"...", "...", "..."},
        {"a/..b", "a/..b", "..b"},
        {"a/..", "", ""},
        {"a/../b", "b", "b"},
        {"a/b/../c/", "a/c", "c"},
        {"ab/cd/ef/../..", "ab", "ab"},
        {"./a/../b/./c/..", "b", "b"},
        {"a/b/c/d/../e", "a/b/c/e", "e"},
    };
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        struct tree_path path = {0};
        CHECK(tree_clean(&tree, good[index].path, &path, &err) == 0);
        CHECK(strcmp(path.path, good[index].clean) == 0 && strcmp(path.name, good[index].name) == 0);
        tree_path_clear(&path);
    }
    static char long_name[258];
    memset(long_name, 'x', 257);
    const char *const bad[] = {"..", "../a", "a/../../b", "a/../..", "/../a", "a/b/c/d/e", long_name};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        struct tree_path path = {0};
        CHECK(tree_clean(&tree, bad[index], &path, &err) < 0);
        tree_path_clear(&path);
    }
    tree_close(&tree);
}

static void test_attributes(void) {
    CHECK(attributes_may_keep("user.mime_type") && attributes_may_keep("security.capability"));
    CHECK(!attributes_may_keep("user.overlay.opaque") && !attributes_may_keep("trusted.overlay.opaque"));
    CHECK(attributes_may_keep("system.posix_acl_access") && attributes_may_keep("system.posix_acl_default"));
    CHECK(!attributes_may_keep("security.selinux") && !attributes_may_keep("system.nfs4_acl"));
    struct err err = {0};
    CHECK(attributes_check_ids(&(struct tar_entry){.uid = 65535, .gid = 65535}, &err) == 0);
    CHECK(attributes_check_ids(&(struct tar_entry){.uid = 65536}, &err) < 0);
    CHECK(strcmp(err.object, "uid 65536") == 0);
    CHECK(attributes_check_ids(&(struct tar_entry){.gid = UINT64_MAX}, &err) < 0);
}

static void test_links(void) {
    struct link_table table = {0};
    int failed = 0;
    char path[32];
    for (unsigned ino = 0; ino < 5000; ino++) {
        (void)snprintf(path, sizeof path, "file-%u", ino);
        CHECK(links_first(&table, 1, ino, path, &failed) == NULL);
    }
    for (unsigned ino = 0; ino < 5000; ino++) {
        (void)snprintf(path, sizeof path, "file-%u", ino);
        const char *first = links_first(&table, 1, ino, "again", &failed);
        CHECK(first != NULL && strcmp(first, path) == 0);
    }
    CHECK(links_first(&table, 2, 1, "other device", &failed) == NULL && failed == 0);
    links_clear(&table);
}

static void test_id_map(void) {
    struct id_map map = {0};
    struct err err = {0};
    CHECK(id_map_inside(&map, 4242) == 4242);
    CHECK(id_map_parse("0 100000 1000,1000 1000 1,1001 101001 64535", &map, &err) == 0 && map.count == 3);
    CHECK(id_map_inside(&map, 100000) == 0 && id_map_inside(&map, 100999) == 999);
    CHECK(id_map_inside(&map, 1000) == 1000 && id_map_inside(&map, 101001) == 1001);
    CHECK(id_map_inside(&map, 101000) == ID_NOBODY && id_map_inside(&map, 0) == ID_NOBODY);
    CHECK(id_map_inside(&map, 101001 + 64534) == 65535 && id_map_inside(&map, 101001 + 64535) == ID_NOBODY);
    uint32_t host = 7;
    CHECK(id_map_host(&map, 0, &host) && host == 100000);
    CHECK(id_map_host(&map, 1000, &host) && host == 1000);
    CHECK(id_map_host(&map, 65535, &host) && host == 101001 + 64534);
    CHECK(!id_map_host(&map, 65536, &host) && !id_map_host(&map, UINT64_MAX, &host) &&
          host == 101001 + 64534);
    CHECK(!id_map_host(&(struct id_map){0}, 0, &host));
    static const char *const bad[] = {"0",      "0 1", "0 1 x", "0 1 2 3", "-1 0 1", "0 1 4294967296",
                                      "0  1 2", ","};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        CHECK(id_map_parse(bad[index], &map, &err) < 0);
    id_map_clear(&map);
}

// Owner, capability and access list of what a user's archive has, on the host: root inside is root of the
// sandbox alone.
static void test_to_host(void) {
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};
    struct id_map map = {0};
    struct err err = {0};
    struct tar_entry entry = {.uid = 0, .gid = 5};
    CHECK(id_map_parse("0 100000 1000,1000 4711 1", &map, &err) == 0);
    CHECK(tar_entry_add_xattr(&entry, "security.capability", 19, capability, sizeof capability) == 0);
    CHECK(access_list_parse("user::rw-,user:1000:r--,group::---,mask::r--,other::---", ACCESS_LIST, &entry,
                            &err) == 0);
    CHECK(attributes_to_host(&entry, &map, &map, &err) == 0 && entry.host_ids);
    CHECK(entry.uid == 100000 && entry.gid == 100005);
    const struct tar_xattr *made = &entry.xattrs[0];
    static const uint8_t root[] = {0xa0, 0x86, 1, 0};
    CHECK(made->length == 24 && made->value[3] == 3 && memcmp(made->value + 20, root, sizeof root) == 0);
    CHECK(memcmp(made->value + 4, capability + 4, 16) == 0);
    CHECK(entry.xattrs[1].value[16] == 0x67 && entry.xattrs[1].value[17] == 0x12); // 4711
    tar_entry_clear(&entry);
    entry = (struct tar_entry){.uid = 1001};
    CHECK(attributes_to_host(&entry, &map, &map, &err) < 0 && !entry.host_ids);
    CHECK(access_list_parse("user:1001:r--", ACCESS_LIST, &entry, &err) == 0);
    entry.uid = 0;
    CHECK(attributes_to_host(&entry, &map, &map, &err) < 0);
    tar_entry_clear(&entry);
    CHECK(tar_entry_add_xattr(&entry, "security.capability", 19, capability, 19) == 0);
    CHECK(attributes_to_host(&entry, &map, &map, &err) < 0);
    tar_entry_clear(&entry);
    id_map_clear(&map);
}

static bool access_list_is_refused(const char *text) {
    struct tar_entry entry = {0};
    struct err err = {0};
    bool refused = access_list_parse(text, ACCESS_LIST, &entry, &err) < 0;
    tar_entry_clear(&entry);
    return refused;
}

static void test_access_lists(void) {
    // linux/posix_acl_xattr.h: version 2, then tag, permissions and id of each entry.
    static const uint8_t wanted[] = {
        2,    0, 0, 0, 0x01, 0,    6,    0,    0xff, 0xff, 0xff, 0xff,                                 //
        2,    0, 4, 0, 5,    0,    0,    0,    2,    0,    7,    0,    0xe9,                           //
        3,    0, 0, 4, 0,    5,    0,    0xff, 0xff, 0xff, 0xff, 8,    0,    0,    0,    12,  0, 0, 0, //
        0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0,    0,    0,    0xff, 0xff, 0xff, 0xff};
    struct tar_entry entry = {0};
    struct err err = {0};
    CHECK(access_list_parse("group:12:---,user::rw-,user:lisa:rwx:1001\nu:5:r--,g::r-x,mask::rwx,o::---\n",
                            ACCESS_LIST, &entry, &err) == 0);
    CHECK(entry.xattr_count == 1 && strcmp(entry.xattrs[0].name, ACCESS_LIST) == 0);
    CHECK(entry.xattrs[0].length == sizeof wanted);
    CHECK(memcmp(entry.xattrs[0].value, wanted, sizeof wanted) == 0);
    CHECK(access_list_check(&entry.xattrs[0], &err) == 0);
    struct id_map uids = {0}, gids = {0};
    CHECK(id_map_parse("7 1001 1", &uids, &err) == 0 && id_map_parse("9 12 1", &gids, &err) == 0);
    access_list_shift(entry.xattrs[0].value, entry.xattrs[0].length, &uids, &gids);
    CHECK(entry.xattrs[0].value[24] == 7 && entry.xattrs[0].value[40] == 9);
    entry.xattrs[0].value[26] = 1; // uid 65543
    CHECK(access_list_check(&entry.xattrs[0], &err) < 0);
    entry.xattrs[0].value[26] = 0;
    entry.xattrs[0].length--;
    CHECK(access_list_check(&entry.xattrs[0], &err) < 0);
    entry.xattrs[0].length = 3;
    CHECK(access_list_check(&entry.xattrs[0], &err) < 0);
    id_map_clear(&uids);
    id_map_clear(&gids);
    tar_entry_clear(&entry);
    static const char *const refused[] = {
        "user:lisa:rwx", "user:70000:rwx", "user:x:rwx:70000", "user::",      "user",        "nobody::rwx",
        "mask:5:rwx",    "user::rwz",      "other:1:r--",      "user:5:rwx:", "user:-1:rwx", ":::"};
    for (size_t index = 0; index < sizeof refused / sizeof *refused; index++)
        CHECK(access_list_is_refused(refused[index]) == (strcmp(refused[index], "user:5:rwx:") != 0));
}

int main(void) {
    test_access_lists();
    test_paths();
    test_attributes();
    test_links();
    test_id_map();
    test_to_host();
    (void)puts("layer_test: ok");
    return 0;
}
