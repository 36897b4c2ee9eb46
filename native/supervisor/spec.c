#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

// "a NUL b [NUL c]": splits a value with embedded NULs into fresh strings.
static int split(const struct wire_field *field, char **parts, size_t count) {
    const uint8_t *at = field->value;
    size_t left = field->length;
    memset(parts, 0, sizeof *parts * count);
    for (size_t index = 0; index < count; index++) {
        bool last = index + 1 == count;
        const uint8_t *end = memchr(at, '\0', left);
        size_t length = last || end == NULL ? left : (size_t)(end - at);
        if ((end == NULL) == last)
            parts[index] = strndup((const char *)at, length);
        if (parts[index] == NULL) {
            for (size_t made = 0; made < index; made++)
                free(parts[made]);
            return -1;
        }
        if (!last) {
            at = end + 1;
            left -= length + 1;
        }
    }
    return 0;
}

static int parse_bind(struct bind *binds, size_t *count, const struct wire_field *field) {
    if (*count == MAX_BINDS)
        return -1;
    char *parts[3];
    if (split(field, parts, 3) != 0)
        return -1;
    binds[(*count)++] = (struct bind){.source = parts[0],
                                      .target = parts[1],
                                      .writable = strcmp(parts[2], "rw") == 0,
                                      .context = CLOSED_FD,
                                      .tree = CLOSED_FD};
    free(parts[2]);
    return 0;
}

static int parse_device(struct spec *spec, const struct wire_field *field) {
    if (spec->device_count == MAX_DEVICES)
        return -1;
    char *parts[3];
    if (split(field, parts, 3) != 0)
        return -1;
    char *colon = strchr(parts[1], ':');
    if (colon != NULL)
        spec->devices[spec->device_count++] = (struct device){.name = parts[0],
                                                              .major = (unsigned)strtoul(parts[1], NULL, 10),
                                                              .minor = (unsigned)strtoul(colon + 1, NULL, 10),
                                                              .writable = strcmp(parts[2], "rw") == 0};
    else
        free(parts[0]);
    free(parts[1]);
    free(parts[2]);
    return colon != NULL ? 0 : -1;
}

static int parse_filter(struct filters *filters, const struct wire_field *field) {
    size_t count = field->length / sizeof(struct sock_filter);
    if (filters->count == MAX_FILTERS || field->length % sizeof(struct sock_filter) != 0 || count == 0 ||
        count > BPF_MAXINSNS)
        return -1;
    struct sock_filter *code = malloc(field->length);
    if (code == NULL)
        return -1;
    memcpy(code, field->value, field->length);
    filters->programs[filters->count++] = (struct sock_fprog){.len = (unsigned short)count, .filter = code};
    return 0;
}

static int parse_cgroup_write(struct cgroup_write *writes, size_t most, size_t *count,
                              const struct wire_field *field) {
    if (*count == most)
        return -1;
    char *parts[3];
    if (split(field, parts, 3) != 0)
        return -1;
    writes[(*count)++] = (struct cgroup_write){
        .hierarchy = (uint32_t)strtoul(parts[0], NULL, 10), .file = parts[1], .value = parts[2]};
    free(parts[0]);
    return 0;
}

static int parse_layer(struct spec *spec, const struct wire_field *field) {
    if (spec->layer_count == MAX_LAYERS)
        return -1;
    struct layer *layer = &spec->layers[spec->layer_count++];
    layer->idmapped = field->tag == TAG_LAYER;
    layer->path = wire_text(field);
    return layer->path != NULL ? 0 : -1;
}

static int parse_text(char **text, const struct wire_field *field) {
    free(*text);
    *text = wire_text(field);
    return *text != NULL ? 0 : -1;
}

static int parse_run_folder(struct spec *spec, const struct wire_field *field) {
    if (spec->run_folder_count == MAX_RUN_FOLDERS)
        return -1;
    return parse_text(&spec->run_folders[spec->run_folder_count++], field);
}

static int parse_figure(struct spec *spec, const struct wire_field *field) {
    if (spec->figure_count == MAX_FIGURES)
        return -1;
    return parse_text(&spec->figures[spec->figure_count++], field);
}

static int parse_flag(bool *flag, const struct wire_field *field) {
    uint32_t value;
    if (!wire_u32(field, &value))
        return -1;
    *flag = value != 0;
    return 0;
}

static int parse_ids(struct spec *spec, const struct wire_field *field) {
    if (field->length != 2 * sizeof(uint32_t))
        return -1;
    memcpy(&spec->root_uid, field->value, sizeof spec->root_uid);
    memcpy(&spec->root_gid, field->value + sizeof spec->root_uid, sizeof spec->root_gid);
    return 0;
}

static int parse_network(struct spec *spec, const struct wire_field *field) {
    uint32_t kind;
    if (!wire_u32(field, &kind) || kind >= NET_KINDS)
        return -1;
    spec->network = (enum net_kind)kind;
    return 0;
}

static int parse_number(struct spec *spec, const struct wire_field *field) {
    uint64_t *const number = field->tag == TAG_TMP_BYTES         ? &spec->tmp_bytes
                             : field->tag == TAG_SHM_BYTES       ? &spec->shm_bytes
                             : field->tag == TAG_LINGER_MS       ? &spec->linger_ms
                             : field->tag == TAG_HANGUP_GRACE_MS ? &spec->hangup_grace_ms
                             : field->tag == TAG_STOP_GRACE_MS   ? &spec->stop_grace_ms
                                                                 : &spec->figures_of;
    return wire_u64(field, number) ? 0 : -1;
}

static int parse_field(struct spec *spec, const struct wire_field *field) {
    switch (field->tag) {
    case TAG_NAME:
        return parse_text(&spec->name, field);
    case TAG_UID:
        return wire_u32(field, &spec->uid) ? 0 : -1;
    case TAG_GID:
        return wire_u32(field, &spec->gid) ? 0 : -1;
    case TAG_GROUPS:
        return wire_u32s(field, spec->groups, MAX_GROUPS, &spec->group_count) ? 0 : -1;
    case TAG_ROOT_IDS:
        return parse_ids(spec, field);
    case TAG_UID_MAP:
        return parse_text(&spec->uid_map, field);
    case TAG_GID_MAP:
        return parse_text(&spec->gid_map, field);
    case TAG_LAYER:
    case TAG_PLAIN_LAYER:
        return parse_layer(spec, field);
    case TAG_DISK:
        return parse_text(&spec->disk, field);
    case TAG_UPPER:
        return parse_text(&spec->upper_dir, field);
    case TAG_BIND:
        return parse_bind(spec->binds, &spec->bind_count, field);
    case TAG_MOUNT:
        return parse_bind(spec->mounts, &spec->mount_count, field);
    case TAG_DEVICE:
        return parse_device(spec, field);
    case TAG_RUN_FOLDER:
        return parse_run_folder(spec, field);
    case TAG_MOUNTPOINT:
        return parse_text(&spec->mountpoint, field);
    case TAG_HOSTNAME:
        return parse_text(&spec->hostname, field);
    case TAG_NETWORK:
        return parse_network(spec, field);
    case TAG_ROOT:
        return parse_flag(&spec->freedom.root, field);
    case TAG_NESTING:
        return parse_flag(&spec->freedom.nesting, field);
    case TAG_OWN_SYSINFO:
        return parse_flag(&spec->own_sysinfo, field);
    case TAG_FILTER:
        return parse_filter(&spec->filters, field);
    case TAG_FILTERS_ALONE:
        return parse_flag(&spec->filters.alone, field);
    case TAG_DELEGATED:
        return parse_text(&spec->delegated, field);
    case TAG_CONTROL:
        return parse_text(&spec->control_path, field);
    case TAG_TMP_BYTES:
    case TAG_SHM_BYTES:
    case TAG_LINGER_MS:
    case TAG_HANGUP_GRACE_MS:
    case TAG_STOP_GRACE_MS:
    case TAG_FIGURES_OF:
        return parse_number(spec, field);
    case TAG_BACKGROUND_KILL:
        return parse_flag(&spec->kill_background, field);
    case TAG_CGROUP_WRITE:
        return parse_cgroup_write(spec->writes, MAX_CGROUP_WRITES, &spec->write_count, field);
    case TAG_CGROUP_LIFT:
        return parse_cgroup_write(spec->lifts, MAX_CGROUP_LIFTS, &spec->lift_count, field);
    case TAG_FIGURE:
        return parse_figure(spec, field);
    default:
        return net_plan_field(&spec->plan, field) == 1 ? 0 : -1;
    }
}

int spec_parse(struct spec *spec, struct wire_reader *reader, struct err *err) {
    memset(spec, 0, sizeof *spec);
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (parse_field(spec, &field) != 0) {
            char tag[16] = {(char)('0' + field.tag / 10 % 10), (char)('0' + field.tag % 10), '\0'};
            return err_plain(err, FAILURE_PROTOCOL, "the sandbox's specification is broken: field", tag);
        }
    }
    const char *const required[] = {spec->name,       spec->uid_map,  spec->gid_map,     spec->upper_dir,
                                    spec->mountpoint, spec->hostname, spec->control_path};
    for (size_t index = 0; index < sizeof required / sizeof required[0]; index++) {
        if (required[index] == NULL)
            return err_plain(err, FAILURE_PROTOCOL, "the sandbox's specification is incomplete", NULL);
    }
    if (spec->layer_count == 0 || spec->uid == 0)
        return err_plain(err, FAILURE_PROTOCOL, "the sandbox's specification has no layer or no user", NULL);
    if (spec->filters.alone && spec->filters.count == 0)
        return err_plain(err, FAILURE_PROTOCOL, "the sandbox's specification has no system call filter",
                         NULL);
    if (spec->root_uid == 0 || spec->root_gid == 0 || spec->tmp_bytes == 0 ||
        spec->shm_bytes == 0) // never the host's root; 0: no limit
        return err_plain(err, FAILURE_PROTOCOL,
                         "the sandbox's specification has no ids for root or no size for /tmp or /dev/shm",
                         NULL);
    return 0;
}
