/* annotate_task.c: prompts, then units, then what becomes of a sample. */
#include "dataset/annotate_task.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/text_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef RAP_SOURCE_PROMPTS
#define RAP_SOURCE_PROMPTS "src/dataset/prompts"
#endif
#ifndef RAP_INSTALLED_PROMPTS
#define RAP_INSTALLED_PROMPTS "/usr/share/rap/dataset/prompts"
#endif

enum { PROMPT_LIMIT = 64 << 10 };

static const char *const kind_name[] = { "describe", "caption", "qa", "verify" };

const char *annotate_kind_name(annotate_kind kind)
{
    return kind_name[kind];
}

bool annotate_kind_find(annotate_kind *out, const char *name)
{
    for (int k = 0; k < ANNOTATE_KINDS; k++)
        if (strcmp(kind_name[k], name) == 0) {
            *out = k;
            return true;
        }
    return false;
}

/* ---- prompts ---- */

static const char *const fields[] = { "{name}", "{category}", "{info}", "{concepts}" };

/* Which field begins here; −1: none. */
static int field_at(const char *text)
{
    for (int i = 0; i < (int)(sizeof fields / sizeof *fields); i++)
        if (strncmp(text, fields[i], strlen(fields[i])) == 0)
            return i;
    return -1;
}

/* Without the lines that begin with #. */
static void drop_remarks(char *text)
{
    char *to = text;

    while (*text) {
        size_t len = strcspn(text, "\n");

        len += text[len] == '\n';
        if (*text != '#') {
            memmove(to, text, len);
            to += len;
        }
        text += len;
    }
    while (to > text && to[-1] == '\n')
        to--;
    *to = '\0';
}

/* "{nmae}" would go out with every request; braces with anything but letters between them are JSON. */
static rap_status check_fields(const char *text, const char *path, rap_err *err)
{
    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        size_t len = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");

        if (len > 0 && at[1 + len] == '}' && field_at(at) < 0)
            return err_set(err, RAP_E_FORMAT,
                           "%s: {%.*s} is not one of {name}, {category}, {info}, {concepts}", path,
                           (int)(len < 40 ? len : 40), at + 1);
    }
    return RAP_OK;
}

rap_status annotate_task_init(annotate_task *out, annotate_kind kind, const char *model, int side,
                              const char *folder, rap_err *err)
{
    char name[32], *path;
    size_t size = 0;
    rap_status status;

    *out = (annotate_task){ .kind = kind, .model = model, .side = side };
    if (!folder)
        folder = file_is_folder(RAP_SOURCE_PROMPTS) ? RAP_SOURCE_PROMPTS : RAP_INSTALLED_PROMPTS;
    snprintf(name, sizeof name, "%s.txt", kind_name[kind]);
    path = path_join(folder, name);
    status = path ? file_read(&out->text, &size, path, PROMPT_LIMIT, err)
                  : err_memory(err, "reading a prompt");
    if (status == RAP_OK && (strlen(out->text) != size || !text_is_utf8(out->text)))
        status = err_set(err, RAP_E_FORMAT, "%s: not UTF-8 text", path);
    if (status == RAP_OK) {
        drop_remarks(out->text);
        if (!*out->text)
            status = err_set(err, RAP_E_FORMAT, "%s: there is no prompt in it", path);
    }
    if (status == RAP_OK)
        status = check_fields(out->text, path, err);
    free(path);
    if (status != RAP_OK)
        annotate_task_release(out);
    return status;
}

void annotate_task_release(annotate_task *t)
{
    free(t->text);
    t->text = NULL;
}

/* ---- units ---- */

static bool says(const char *text, const sample_concept *c)
{
    return *c->name && text_search_once(text, c->name) >= 0;
}

/* Does a turn of the sample name the concept? */
static bool is_named(const sample *s, int concept)
{
    for (int i = 0; i < s->turns; i++)
        if (says(s->turn[i].human, &s->concept[concept]) ||
            says(s->turn[i].gpt, &s->concept[concept]))
            return true;
    return false;
}

static void add_name(annotate_names *names, const char *name, bool must)
{
    if (must)
        names->must[names->musts++] = name;
    else
        names->must_not[names->must_nots++] = name;
}

/* concept NULL: the photo. */
static void add_picture(annotate_unit *u, const char *picture, const sample_concept *concept)
{
    u->shown[u->pictures] = concept ? concept->name : NULL;
    u->picture[u->pictures++] = picture;
}

static void put_concept(buf *out, const sample_concept *c)
{
    buf_printf(out, "- <%s>", c->name);
    if (*c->category)
        buf_printf(out, " (%s)", c->category);
    if (*c->info)
        buf_printf(out, ": %s", c->info);
    buf_putc(out, '\n');
}

/* Fills the prompt's fields: of the unit's concept, and of those that are named. */
static void put_prompt(annotate_unit *u, const annotate_task *t, const sample *s)
{
    const sample_concept *c = &s->concept[u->concept >= 0 ? u->concept : 0];

    for (const char *at = t->text; *at;) {
        int field = field_at(at);

        if (field < 0) {
            buf_putc(&u->prompt, *at++);
            continue;
        }
        at += strlen(fields[field]);
        if (field == 0)
            buf_printf(&u->prompt, "<%s>", c->name);
        else if (field == 1)
            buf_puts(&u->prompt, *c->category ? c->category : "unknown");
        else if (field == 2)
            buf_puts(&u->prompt, *c->info ? c->info : "nothing");
        else
            for (int i = 0; i < s->concepts; i++)
                if (is_named(s, i))
                    put_concept(&u->prompt, &s->concept[i]);
    }
}

static rap_status finish_unit(annotate_unit *u, const annotate_task *t, const sample *s,
                              rap_err *err)
{
    const char *parts[SAMPLE_CONCEPTS + 5];
    size_t count = 0;
    char side[16];

    put_prompt(u, t, s);
    if (buf_failed(&u->prompt))
        return err_memory(err, "writing a question");
    snprintf(side, sizeof side, "%d", t->side);
    parts[count++] = kind_name[t->kind];
    parts[count++] = t->model;
    parts[count++] = side;
    parts[count++] = buf_text(&u->prompt);
    for (int i = 0; i < u->pictures; i++)
        parts[count++] = u->picture[i];
    annotate_key(u->key, parts, count);
    return RAP_OK;
}

/* One request about one concept. */
static rap_status concept_unit(annotate_unit *u, int concept, const annotate_task *t,
                               const sample *s, rap_err *err)
{
    *u = (annotate_unit){ .concept = concept, .prompt = BUF_INIT };
    if (t->kind == ANNOTATE_VERIFY)
        add_picture(u, s->image, NULL);
    add_picture(u, s->concept[concept].picture, &s->concept[concept]);
    if (t->kind == ANNOTATE_DESCRIBE)
        add_name(&u->names, s->concept[concept].name, true);
    return finish_unit(u, t, s, err);
}

/* One request about the whole sample: who is named must be in the answer, who is noise must not. */
static rap_status sample_unit(annotate_unit *u, const annotate_task *t, const sample *s,
                              rap_err *err)
{
    *u = (annotate_unit){ .concept = -1, .prompt = BUF_INIT };
    if (s->image)
        add_picture(u, s->image, NULL);
    for (int i = 0; i < s->concepts; i++) {
        bool named = is_named(s, i);

        if (*s->concept[i].name)
            add_name(&u->names, s->concept[i].name, named);
        if (named)
            add_picture(u, s->concept[i].picture, &s->concept[i]);
    }
    return finish_unit(u, t, s, err);
}

static bool is_concerned(const annotate_task *t, const sample *s)
{
    bool instruction = strcmp(s->type, "instruction") == 0, named = false;

    for (int i = 0; i < s->concepts; i++)
        named = named || is_named(s, i);
    switch (t->kind) {
    case ANNOTATE_DESCRIBE:
        return s->concepts > 0;
    case ANNOTATE_CAPTION:
        return s->image && strcmp(s->type, "caption") == 0 && named;
    case ANNOTATE_QA:
        return strcmp(s->type, "qa") == 0 && named;
    default:
        return s->image && !instruction && named;
    }
}

rap_status annotate_units(annotate_unit out[SAMPLE_CONCEPTS], int *out_count,
                          const annotate_task *t, const sample *s, rap_err *err)
{
    rap_status status = RAP_OK;

    *out_count = 0;
    if (!is_concerned(t, s))
        return RAP_OK;
    if (t->kind == ANNOTATE_CAPTION || t->kind == ANNOTATE_QA)
        return sample_unit(&out[(*out_count)++], t, s, err);
    for (int i = 0; status == RAP_OK && i < s->concepts; i++)
        if (t->kind == ANNOTATE_DESCRIBE ? *s->concept[i].name != '\0' : is_named(s, i))
            status = concept_unit(&out[(*out_count)++], i, t, s, err);
    return status;
}

void annotate_unit_release(annotate_unit *u)
{
    buf_release(&u->prompt);
}

/* ---- answers ---- */

static annotate_fault take_reply(buf *text, json_t **pairs, int *same, const annotate_task *t,
                                 const annotate_unit *u, const json_t *entry)
{
    const char *reply = json_string_value(json_object_get(entry, "reply"));
    const char *finish = json_string_value(json_object_get(entry, "finish"));

    if (finish && strcmp(finish, "length") == 0)
        return FAULT_CUT;
    if (t->kind == ANNOTATE_QA)
        return annotate_check_pairs(pairs, reply ? reply : "", &u->names);
    if (t->kind == ANNOTATE_VERIFY)
        return annotate_check_verdict(same, reply ? reply : "");
    return annotate_check_text(text, reply ? reply : "", &u->names);
}

annotate_fault annotate_judge(const annotate_task *t, const annotate_unit *u, const json_t *entry)
{
    buf text = BUF_INIT;
    json_t *pairs = NULL;
    int same = 0;
    annotate_fault fault = take_reply(&text, &pairs, &same, t, u, entry);

    buf_release(&text);
    json_decref(pairs);
    return fault;
}

/* ---- samples ---- */

typedef struct applying {
    const annotate_task *t;
    sample now;                 /* the sample as it becomes */
    buf info[SAMPLE_CONCEPTS];  /* new ones */
    buf turn[2 * SAMPLE_TURNS]; /* likewise: human, gpt … */
    buf text;
    json_t *pairs;
    annotate_fate fate;
} applying;

/* Appends `text` with every `old` as `fresh`; 0: it has none. */
static int replace(buf *out, const char *text, const char *old, const char *fresh)
{
    size_t len = strlen(old);
    int count = 0;

    for (const char *at = text; *at;)
        if (len > 0 && strncmp(at, old, len) == 0) {
            buf_puts(out, fresh);
            at += len;
            count++;
        } else {
            buf_putc(out, *at++);
        }
    return count;
}

static void describe(applying *a, int concept)
{
    sample_concept *c = &a->now.concept[concept];
    const char *old = c->info;

    buf_puts(&a->info[concept], buf_text(&a->text));
    c->info = buf_text(&a->info[concept]);
    for (int i = 0; i < a->now.turns; i++) {
        buf fresh = BUF_INIT;

        if (replace(&fresh, a->now.turn[i].gpt, old, c->info)) {
            buf_release(&a->turn[2 * i + 1]);
            a->turn[2 * i + 1] = fresh;
            a->now.turn[i].gpt = buf_text(&a->turn[2 * i + 1]);
        } else {
            buf_release(&fresh);
        }
    }
    a->fate = FATE_CHANGED;
}

static void caption(applying *a)
{
    int last = a->now.turns - 1;

    buf_puts(&a->turn[2 * last + 1], buf_text(&a->text));
    a->now.turn[last].gpt = buf_text(&a->turn[2 * last + 1]);
    a->fate = FATE_CHANGED;
}

static void question(applying *a)
{
    a->now.turns = (int)json_array_size(a->pairs);
    for (int i = 0; i < a->now.turns; i++) {
        const json_t *pair = json_array_get(a->pairs, (size_t)i);

        a->now.turn[i].human = json_string_value(json_array_get(pair, 0));
        a->now.turn[i].gpt = json_string_value(json_array_get(pair, 1));
    }
    a->fate = FATE_CHANGED;
}

/* A sample says that who is named in it is there, unless it answers no. */
static void verify(applying *a, int same)
{
    bool denies =
        strcmp(a->now.type, "recognition") == 0 && strncasecmp(a->now.turn[0].gpt, "no", 2) == 0;

    if (denies == (same != 0))
        a->fate = FATE_DENIED;
}

static rap_status apply_unit(applying *a, const annotate_unit *u, annotate_log *log, rap_err *err)
{
    json_t *entry = NULL;
    int same = 0;
    rap_status status = annotate_log_get(&entry, log, u->key, err);
    annotate_fault fault = FAULT_EMPTY;

    if (status != RAP_OK)
        return status;
    buf_clear(&a->text);
    if (entry)
        fault = take_reply(&a->text, &a->pairs, &same, a->t, u, entry);
    if (fault != FAULT_NONE)
        a->fate = a->t->kind == ANNOTATE_DESCRIBE ? a->fate : FATE_DROPPED;
    else if (a->t->kind == ANNOTATE_DESCRIBE)
        describe(a, u->concept);
    else if (a->t->kind == ANNOTATE_CAPTION)
        caption(a);
    else if (a->t->kind == ANNOTATE_QA)
        question(a);
    else
        verify(a, same);
    json_decref(entry);
    return buf_failed(&a->text) ? err_memory(err, "reading answers") : RAP_OK;
}

static void applying_release(applying *a)
{
    for (int i = 0; i < SAMPLE_CONCEPTS; i++)
        buf_release(&a->info[i]);
    for (int i = 0; i < 2 * SAMPLE_TURNS; i++)
        buf_release(&a->turn[i]);
    buf_release(&a->text);
    json_decref(a->pairs);
    free(a);
}

rap_status annotate_apply(buf *line, annotate_fate *out, const annotate_task *t, const sample *s,
                          annotate_log *log, rap_err *err)
{
    annotate_unit unit[SAMPLE_CONCEPTS];
    applying *a = mem_array(1, sizeof *a);
    int count = 0;
    rap_status status;

    if (!a)
        return err_memory(err, "reading answers");
    a->t = t;
    a->now = *s;
    status = annotate_units(unit, &count, t, s, err);
    for (int i = 0; i < count; i++) {
        if (status == RAP_OK && a->fate != FATE_DROPPED && a->fate != FATE_DENIED)
            status = apply_unit(a, &unit[i], log, err);
        annotate_unit_release(&unit[i]);
    }
    *out = a->fate;
    if (status == RAP_OK && a->fate != FATE_DROPPED && a->fate != FATE_DENIED)
        status = sample_write(line, &a->now, err);
    applying_release(a);
    return status;
}
