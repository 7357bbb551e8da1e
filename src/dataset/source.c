/* source.c: the table of sources, and what their readers share. */
#include "dataset/source.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOT, MAY, MUST }; /* a field of a source */

typedef struct source_type {
    const char *name;
    source_reader *read;
    int annotations, refs, captions, questions, images;
} source_type;

static const source_type types[] = {
    /*                              annotations refs captions questions images */
    { "coco", source_coco, MUST, NOT, MAY, NOT, MUST },
    { "refcoco", source_refcoco, MUST, MUST, NOT, NOT, MUST },
    { "tao", source_tao, MUST, NOT, NOT, NOT, MUST },
    { "vid", source_vid, MUST, NOT, NOT, NOT, MUST },
    { "custom101", source_custom101, MUST, NOT, NOT, NOT, MUST },
    { "folders", source_folders, NOT, NOT, NOT, NOT, MUST },
    { "myvlm", source_myvlm, NOT, NOT, NOT, NOT, MUST },
    { "yollava", source_yollava, MAY, NOT, NOT, MAY, MUST },
    { "mcllava", source_mcllava, MAY, NOT, NOT, NOT, MUST },
    { "llava", source_llava, MUST, NOT, NOT, NOT, MAY },
    { "store", source_store, MUST, NOT, NOT, NOT, NOT },
};

static const source_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

rap_status source_check(const dataset_plan *plan, const plan_source *s, rap_err *err)
{
    const source_type *type = find_type(s->type);
    const struct {
        const char *name, *path;
        int use;
    } fields[] = { { "annotations", s->annotations, type ? type->annotations : MAY },
                   { "refs", s->refs, type ? type->refs : MAY },
                   { "captions", s->captions, type ? type->captions : MAY },
                   { "questions", s->questions, type ? type->questions : MAY },
                   { "images", s->images, type ? type->images : MAY } };

    if (!type)
        return err_set(err, RAP_E_FORMAT,
                       "%s: no type of source is called \"%s\"; there are coco, refcoco, tao, vid, "
                       "custom101, folders, myvlm, yollava, mcllava, llava, store",
                       plan->file, s->type);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].use == MUST && !fields[i].path)
            return err_set(err, RAP_E_FORMAT, "%s: the source \"%s\" (%s) needs \"%s\"", plan->file,
                           s->name, s->type, fields[i].name);
        if (fields[i].use == NOT && fields[i].path)
            return err_set(err, RAP_E_FORMAT, "%s: the source \"%s\" (%s) has no use for \"%s\"",
                           plan->file, s->name, s->type, fields[i].name);
        if (fields[i].path && !file_exists(fields[i].path))
            return err_set(err, RAP_E_NOT_FOUND,
                           "%s: no such file or folder; the source \"%s\" names it in \"%s\"",
                           fields[i].path, s->name, fields[i].name);
    }
    if (s->images && !file_is_folder(s->images))
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: not a folder; the source \"%s\" names it in \"images\"", s->images,
                       s->name);
    return RAP_OK;
}

rap_status source_read(source_sink *sink, rap_err *err)
{
    rap_status status = source_check(sink->plan, sink->source, err);

    return status == RAP_OK ? find_type(sink->source->type)->read(sink, err) : status;
}

rap_status source_offer(source_sink *sink, dataset_item *item, rap_err *err)
{
    rap_status status =
        item ? dataset_pool_offer(sink->pool, item, err) : err_memory(err, "reading a data set");

    dataset_item_free(item);
    return status;
}

rap_status source_progress(source_sink *sink, double share, rap_err *err)
{
    if (sink->on_progress &&
        sink->on_progress("reading", (uint64_t)(share * 1000), 1000, sink->payload) != 0)
        return err_set(err, RAP_E_CANCELLED, "cancelled");
    return RAP_OK;
}

int source_box(rap_box *box, int width, int height, source_sink *sink, const char *what)
{
    rap_box b = *box;
    float least = (float)sink->plan->least_side;
    float right = fminf(b.x + b.w, (float)width), bottom = fminf(b.y + b.h, (float)height);

    if (!isfinite(b.x) || !isfinite(b.y) || !isfinite(b.w) || !isfinite(b.h) || b.w <= 0 ||
        b.h <= 0 || right <= fmaxf(b.x, 0) || bottom <= fmaxf(b.y, 0)) {
        report_drop(sink->report, DROP_OUTSIDE, "%s: %g,%g,%g,%g in %d x %d", what, (double)b.x,
                    (double)b.y, (double)b.w, (double)b.h, width, height);
        return 0;
    }
    b.x = fmaxf(b.x, 0);
    b.y = fmaxf(b.y, 0);
    b.w = right - b.x;
    b.h = bottom - b.y;
    if (b.w < least || b.h < least) {
        report_drop(sink->report, DROP_SMALL, "%s: %g x %g", what, (double)b.w, (double)b.h);
        return 0;
    }
    *box = b;
    return 1;
}

int source_path(const char *path, source_sink *sink)
{
    int inside = path_stays(path);

    if (!inside)
        report_drop(sink->report, DROP_PATH, "%s", path);
    return inside;
}

/* ---- folders ---- */

static int by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;

    while (*x && *y) { /* 2.jpg before 10.jpg */
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            char *end_x, *end_y;
            unsigned long m = strtoul(x, &end_x, 10), n = strtoul(y, &end_y, 10);

            if (m != n)
                return m < n ? -1 : 1;
            x = end_x;
            y = end_y;
        } else if (*x != *y) {
            break;
        } else {
            x++;
            y++;
        }
    }
    if (*x != *y)
        return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rap_status source_list(char ***out, size_t *out_count, const char *folder, rap_err *err)
{
    DIR *dir = opendir(folder);
    size_t count = 0, room = 0;
    char **list = NULL;
    rap_status status = RAP_OK;

    *out = NULL;
    *out_count = 0;
    if (!dir)
        return err_set(err, errno == ENOENT ? RAP_E_NOT_FOUND : RAP_E_IO, "%s: %s", folder,
                       errno == ENOENT ? "no such folder" : strerror(errno));
    for (struct dirent *entry; status == RAP_OK && (entry = readdir(dir));) {
        if (*entry->d_name == '.')
            continue;
        char **grown = mem_grow(list, count, &room, sizeof *grown);

        list = grown ? grown : list;
        if (grown && (list[count] = mem_string(entry->d_name)))
            count++;
        else
            status = err_memory(err, "listing a folder");
    }
    closedir(dir);
    if (status != RAP_OK) {
        source_list_free(list, count);
        return status;
    }
    if (count > 1)
        qsort(list, count, sizeof *list, by_name);
    *out = list;
    *out_count = count;
    return RAP_OK;
}

void source_list_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

int source_is_picture(const char *path)
{
    static const char *const known[] = { "jpg", "jpeg", "png", "webp", "gif", "heic", "avif" };
    const char *extension = path_extension(path);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(extension, known[i]) == 0)
            return 1;
    return 0;
}

int source_is_mask(const char *name)
{
    size_t len = strlen(name);

    return len > 9 && strcmp(name + len - 9, "_mask.png") == 0;
}
