/* plan.c: reads the configuration; one table of fields for each part, so that unknown ones are found. */
#include "dataset/plan.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path_find.h"
#include "formats/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 4 << 20, MOST_SOURCES = 64 };
#define MOST_SAMPLES 100000000.0

typedef enum field_kind { AS_TEXT, AS_PATH, AS_INT, AS_SHARE, AS_REAL, AS_BOOL } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset;
    double low, high;
} field;

#define TEXT(type, name, at)                    \
    {                                           \
        name, AS_TEXT, offsetof(type, at), 0, 0 \
    }
#define PATH(type, name, at)                    \
    {                                           \
        name, AS_PATH, offsetof(type, at), 0, 0 \
    }
#define INT(type, name, at, low, high)              \
    {                                               \
        name, AS_INT, offsetof(type, at), low, high \
    }
#define SHARE(type, name, at)                    \
    {                                            \
        name, AS_SHARE, offsetof(type, at), 0, 1 \
    }
#define REAL(type, name, at, low, high)              \
    {                                                \
        name, AS_REAL, offsetof(type, at), low, high \
    }
#define BOOL(type, name, at)                    \
    {                                           \
        name, AS_BOOL, offsetof(type, at), 0, 0 \
    }

static const field source_fields[] = {
    TEXT(plan_source, "type", type),
    TEXT(plan_source, "name", name),
    PATH(plan_source, "annotations", annotations),
    PATH(plan_source, "refs", refs),
    PATH(plan_source, "captions", captions),
    PATH(plan_source, "questions", questions),
    PATH(plan_source, "images", images),
    TEXT(plan_source, "split", split),
    INT(plan_source, "gap", gap, 0, 1000000),
    INT(plan_source, "per_object", per_object, 1, 1000000),
    { NULL, AS_TEXT, 0, 0, 0 },
};

static const field noise_fields[] = {
    SHARE(plan_negatives, "share", share),    INT(plan_negatives, "least", least, 1, 15),
    INT(plan_negatives, "most", most, 1, 15), SHARE(plan_negatives, "hard", hard),
    TEXT(plan_negatives, "by", by),           { NULL, AS_TEXT, 0, 0, 0 },
};

static const field augment_fields[] = {
    SHARE(plan_augment, "flip", flip),
    REAL(plan_augment, "rotate", rotate, 0, 180),
    REAL(plan_augment, "scale", scale, 0, 0.9),
    REAL(plan_augment, "shift", shift, 0, 0.5),
    SHARE(plan_augment, "color", color),
    REAL(plan_augment, "blur", blur, 0, 20),
    SHARE(plan_augment, "background", background),
    INT(plan_augment, "jpeg", jpeg_least, 10, 95),
    { NULL, AS_TEXT, 0, 0, 0 },
};

static const field novel_fields[] = {
    TEXT(plan_novel, "endpoint", endpoint),
    TEXT(plan_novel, "prompt", prompt),
    TEXT(plan_novel, "negative", negative),
    REAL(plan_novel, "strength", strength, 0.01, 1),
    REAL(plan_novel, "threshold", threshold, -1, 1),
    INT(plan_novel, "steps", steps, 1, 1000),
    INT(plan_novel, "views", views, 1, 16),
    INT(plan_novel, "side", side, 64, 2048),
    { NULL, AS_TEXT, 0, 0, 0 },
};

static const field plan_fields[] = {
    BOOL(dataset_plan, "jsonl", jsonl),
    BOOL(dataset_plan, "copy_pictures", copy),
    SHARE(dataset_plan, "validation", validation),
    SHARE(dataset_plan, "negative", negative),
    SHARE(dataset_plan, "text_only", text_only),
    PATH(dataset_plan, "templates", templates),
    TEXT(dataset_plan, "boxes", boxes),
    TEXT(dataset_plan, "profile", profile),
    INT(dataset_plan, "least_side", least_side, 1, 10000),
    INT(dataset_plan, "max_concepts", max_concepts, 1, 16),
    REAL(dataset_plan, "margin", margin, 0, 2),
    BOOL(dataset_plan, "square", square),
    { NULL, AS_TEXT, 0, 0, 0 },
};

/* What is no entry of the tables. */
static const char *const parts[] = { "seed", "sources", "mix", "noise", "augment", "novel", NULL };

static rap_status set_field(void *out, const field *f, const json_t *value, const dataset_plan *p,
                            const char *where, rap_err *err)
{
    char *at = (char *)out + f->offset;
    double number = json_number_value(value);
    const char *text = json_string_value(value);

    if (f->kind == AS_BOOL && json_is_boolean(value)) {
        *(bool *)at = json_is_true(value);
    } else if (f->kind == AS_TEXT && text) {
        *(const char **)at = text;
    } else if (f->kind == AS_PATH && text && *text) {
        free(*(char **)at);
        *(char **)at = path_join(p->folder, text);
        if (!*(char **)at)
            return err_memory(err, "reading a configuration");
    } else if (f->kind == AS_INT && json_is_integer(value) && number >= f->low &&
               number <= f->high) {
        *(int *)at = (int)number;
    } else if ((f->kind == AS_SHARE || f->kind == AS_REAL) && json_is_number(value) &&
               number >= f->low && number <= f->high) {
        *(double *)at = number;
    } else if (f->kind == AS_TEXT || f->kind == AS_PATH) {
        return err_set(err, RAP_E_FORMAT, "%s: \"%s%s\" is not a text", p->file, where, f->name);
    } else if (f->kind == AS_BOOL) {
        return err_set(err, RAP_E_FORMAT, "%s: \"%s%s\" is not true or false", p->file, where,
                       f->name);
    } else {
        return err_set(err, RAP_E_FORMAT, "%s: \"%s%s\" is not a %snumber from %g to %g", p->file,
                       where, f->name, f->kind == AS_INT ? "whole " : "", f->low, f->high);
    }
    return RAP_OK;
}

/* also: names that are no fields here but may stand beside them; NULL: none. */
static rap_status set_fields(void *out, const field *fields, const json_t *object,
                             const char *const *also, const dataset_plan *p, const char *where,
                             rap_err *err)
{
    const char *key;
    json_t *value;
    rap_status status = RAP_OK;

    if (!json_is_object(object))
        return err_set(err, RAP_E_FORMAT, "%s: \"%.*s\" is not an object", p->file,
                       (int)strcspn(where, "."), where);
    json_object_foreach((json_t *)object, key, value)
    {
        const field *f = fields;
        const char *const *other = also;

        while (f->name && strcmp(f->name, key) != 0)
            f++;
        while (other && *other && strcmp(*other, key) != 0)
            other++;
        if (f->name && !json_is_null(value))
            status = set_field(out, f, value, p, where, err);
        else if (!f->name && !(other && *other))
            status =
                err_set(err, RAP_E_FORMAT, "%s: no field is called \"%s%s\"", p->file, where, key);
        if (status != RAP_OK)
            break;
    }
    return status;
}

/* The mix: samples of each kind. */
static rap_status read_mix(dataset_plan *p, rap_err *err)
{
    json_t *mix = json_object_get(p->json, "mix"), *value;
    const char *key;

    if (!mix)
        return RAP_OK;
    if (!json_is_object(mix))
        return err_set(err, RAP_E_FORMAT, "%s: \"mix\" is not an object of kinds and counts",
                       p->file);
    memset(p->wanted, 0, sizeof p->wanted);
    json_object_foreach(mix, key, value)
    {
        int k = 0;

        while (k < KIND_COUNT && strcmp(dataset_kind_name(k), key) != 0)
            k++;
        if (k == KIND_COUNT)
            return err_set(err, RAP_E_FORMAT,
                           "%s: \"mix.%s\": no kind is called so; there are grounding, "
                           "recognition, caption, description, qa, instruction",
                           p->file, key);
        if (!json_is_integer(value) || json_number_value(value) < 0 ||
            json_number_value(value) > MOST_SAMPLES)
            return err_set(err, RAP_E_FORMAT, "%s: \"mix.%s\" is not a count of samples", p->file,
                           key);
        p->wanted[k] = (uint64_t)json_integer_value(value);
    }
    return RAP_OK;
}

static int is_plain_name(const char *name)
{
    return *name && *name != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(name);
}

static rap_status read_source(dataset_plan *p, plan_source *s, const json_t *object, int number,
                              rap_err *err)
{
    char where[32];
    rap_status status;

    snprintf(where, sizeof where, "sources.%d.", number);
    s->split = "";
    s->gap = 1;
    s->per_object = 4;
    status = set_fields(s, source_fields, object, NULL, p, where, err);
    if (status == RAP_OK && !s->type)
        status = err_set(err, RAP_E_FORMAT, "%s: \"%stype\" is missing", p->file, where);
    if (status == RAP_OK && !s->name)
        s->name = s->type;
    if (status == RAP_OK && strcmp(s->name, "crops") == 0)
        status =
            err_set(err, RAP_E_FORMAT,
                    "%s: \"%sname\" is \"crops\", the folder of the concepts' pictures: choose "
                    "another",
                    p->file, where);
    if (status == RAP_OK && !is_plain_name(s->name))
        status = err_set(err, RAP_E_FORMAT,
                         "%s: \"%sname\" is \"%s\": letters, digits, '-', '_' and '.' are allowed",
                         p->file, where, s->name);
    for (int i = 0; status == RAP_OK && i < number; i++)
        if (strcmp(p->source[i].name, s->name) == 0)
            status = err_set(err, RAP_E_FORMAT,
                             "%s: two sources are called \"%s\": give each a \"name\"", p->file,
                             s->name);
    return status;
}

static rap_status read_sources(dataset_plan *p, rap_err *err)
{
    const json_t *list = json_object_get(p->json, "sources");
    size_t count = json_array_size(list);
    rap_status status = RAP_OK;

    if (count == 0 || count > MOST_SOURCES)
        return err_set(err, RAP_E_FORMAT, "%s: \"sources\" is not a list of 1 to %d sources",
                       p->file, MOST_SOURCES);
    p->source = mem_array(count, sizeof *p->source);
    if (!p->source)
        return err_memory(err, "reading a configuration");
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        p->sources = (int)i + 1;
        status = read_source(p, &p->source[i], json_array_get(list, i), (int)i, err);
    }
    return status;
}

static rap_status one_of(const dataset_plan *p, const char *name, const char *value,
                         const char *const *choices, const char *all, rap_err *err)
{
    for (; *choices; choices++)
        if (strcmp(*choices, value) == 0)
            return RAP_OK;
    return err_set(err, RAP_E_FORMAT, "%s: \"%s\" is \"%s\", not one of %s", p->file, name, value,
                   all);
}

static rap_status check(const dataset_plan *p, rap_err *err)
{
    static const char *const boxes[] = { "llava", "pixels", "thousand", NULL };
    static const char *const by[] = { "category", "encoder", NULL };
    rap_status status =
        one_of(p, "boxes", p->boxes, boxes, "\"llava\", \"pixels\", \"thousand\"", err);

    if (status == RAP_OK)
        status = one_of(p, "noise.by", p->noise.by, by, "\"category\", \"encoder\"", err);
    if (status == RAP_OK && p->noise.least > p->noise.most)
        status =
            err_set(err, RAP_E_FORMAT, "%s: \"noise.least\" is more than \"noise.most\"", p->file);
    return status;
}

/* The views are put into images/novel. */
static rap_status check_novel(const dataset_plan *p, rap_err *err)
{
    for (int i = 0; p->novel.wanted && i < p->sources; i++)
        if (strcmp(p->source[i].name, "novel") == 0)
            return err_set(err, RAP_E_FORMAT,
                           "%s: a source is called \"novel\", the folder of the new views: choose "
                           "another \"name\"",
                           p->file);
    return RAP_OK;
}

static void set_defaults(dataset_plan *p)
{
    static const uint64_t paper[KIND_COUNT] = {
        [KIND_GROUNDING] = 100000, [KIND_RECOGNITION] = 40000, [KIND_CAPTION] = 30000,
        [KIND_DESCRIPTION] = 7000, [KIND_QA] = 16000,          [KIND_INSTRUCTION] = 67000
    };

    memcpy(p->wanted, paper, sizeof paper);
    p->validation = 0.02;
    p->negative = 0.5;
    p->text_only = 0.25;
    p->noise = (plan_negatives){ 0.5, 1, 2, 0.5, "category" };
    p->augment = (plan_augment){ 0.5, 10, 0.15, 0.08, 0.15, 0.6, 0, 60 };
    p->boxes = "llava";
    p->least_side = 32;
    p->max_concepts = 4;
    p->square = true;
    p->margin = 0.05;
}

static rap_status read_plan(dataset_plan *p, rap_err *err)
{
    const json_t *seed, *part;
    rap_status status = json_read(&p->json, p->file, LIMIT, err);

    if (status != RAP_OK)
        return status;
    set_defaults(p);
    status = set_fields(p, plan_fields, p->json, parts, p, "", err);
    seed = json_object_get(p->json, "seed");
    if (status == RAP_OK && seed && !json_is_integer(seed))
        status = err_set(err, RAP_E_FORMAT, "%s: \"seed\" is not a whole number", p->file);
    p->seed = seed ? (uint64_t)json_integer_value(seed) : 1;
    if (status == RAP_OK && (part = json_object_get(p->json, "noise")))
        status = set_fields(&p->noise, noise_fields, part, NULL, p, "noise.", err);
    if (status == RAP_OK && (part = json_object_get(p->json, "augment")))
        status = set_fields(&p->augment, augment_fields, part, NULL, p, "augment.", err);
    if (status == RAP_OK && (part = json_object_get(p->json, "novel"))) {
        p->novel.wanted = true;
        status = set_fields(&p->novel, novel_fields, part, NULL, p, "novel.", err);
    }
    if (status == RAP_OK)
        status = read_mix(p, err);
    if (status == RAP_OK)
        status = read_sources(p, err);
    if (status == RAP_OK)
        status = check(p, err);
    return status == RAP_OK ? check_novel(p, err) : status;
}

rap_status plan_read(dataset_plan **out, const char *path, rap_err *err)
{
    dataset_plan *p = mem_array(1, sizeof *p);
    rap_status status;

    *out = NULL;
    if (!p || !(p->file = mem_string(path)) || !(p->folder = path_folder(path)))
        status = err_memory(err, "reading a configuration");
    else
        status = read_plan(p, err);
    if (status == RAP_OK)
        *out = p;
    else
        plan_free(p);
    return status;
}

/* Where the path behind "SOURCE/" begins, and the folder that it is relative to. */
static const char *root_of(const char **out_folder, const dataset_plan *p, const char *images,
                           const char *picture)
{
    size_t len = strcspn(picture, "/");

    for (int i = 0; i < p->sources; i++) {
        const plan_source *s = &p->source[i];

        if (strlen(s->name) == len && strncmp(s->name, picture, len) == 0 && s->images) {
            *out_folder = s->images;
            return picture + len + (picture[len] == '/');
        }
    }
    *out_folder = images;
    return picture;
}

char *plan_picture(const dataset_plan *p, const char *images, const char *picture)
{
    const char *folder, *path = root_of(&folder, p, images, picture);

    return path_find(folder, path);
}

char *plan_spelling(const dataset_plan *p, const char *images, const char *picture)
{
    const char *folder, *path = root_of(&folder, p, images, picture);
    char *found = path_find(folder, path), *spelled = NULL;
    size_t root = strlen(folder);

    if (found && strncmp(found, folder, root) != 0)
        spelled = mem_string(picture);
    else if (found && asprintf(&spelled, "%.*s%s", (int)(path - picture), picture,
                               found + root + strspn(found + root, "/")) < 0)
        spelled = NULL;
    free(found);
    return spelled;
}

void plan_free(dataset_plan *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->sources; i++) {
        free(p->source[i].annotations);
        free(p->source[i].refs);
        free(p->source[i].captions);
        free(p->source[i].questions);
        free(p->source[i].images);
    }
    free(p->source);
    free(p->templates);
    free(p->file);
    free(p->folder);
    json_decref(p->json);
    free(p);
}
