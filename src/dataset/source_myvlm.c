/* source_myvlm.c: MyVLM: a folder a concept, with captions.json (or captions_augmented.json) {FILE: [CAPTION…]} and,
 * where it was made, additional_llava_vqa_data.json {PATH: [[QUESTION, ANSWER]…]} beside the pictures. The texts
 * call the concept by its folder's name, with or without underscores, or "sks"; that word becomes the name. Texts
 * that do not name it are left out.
 *
 * Memory: the texts of one concept. */
#include "dataset/object_folder.h"
#include "dataset/rename.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT = 16 << 20 };

typedef struct texts {
    json_t *captions, *questions; /* NULL: none */
    const char *word;             /* the folder's name */
    char *spaced;                 /* the same with spaces */
    source_sink *sink;
} texts;

/* `text` with the concept's word as {name} into `out`; how often it stood there. */
static int renamed(buf *out, const char *text, const texts *t)
{
    const char *const words[] = { t->word, t->spaced, "sks" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        int count;

        buf_clear(out);
        count = rename_word(out, text, words[i]);
        if (count > 0)
            return count;
    }
    return 0;
}

static int add_captions(dataset_item *item, const json_t *captions, const texts *t)
{
    buf named = BUF_INIT;
    int enough = 1;

    for (size_t i = 0; enough && i < json_array_size(captions); i++) {
        const char *text = json_string_value(json_array_get(captions, i));

        if (text && renamed(&named, text, t))
            enough = !buf_failed(&named) && dataset_item_caption(item, buf_text(&named));
        else
            report_drop(t->sink->report, DROP_TEXT, "%s: a caption does not name it: %.100s",
                        item->key, text ? text : "not a text");
    }
    buf_release(&named);
    return enough;
}

static int add_questions(dataset_item *item, const json_t *pairs, const texts *t)
{
    buf question = BUF_INIT, answer = BUF_INIT;
    int enough = 1;

    for (size_t i = 0; enough && i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        const char *q = json_string_value(json_array_get(pair, 0));
        const char *a = json_string_value(json_array_get(pair, 1));

        if (!q || !a || !renamed(&question, q, t)) {
            report_drop(t->sink->report, DROP_TEXT, "%s: a question does not name it: %.100s",
                        item->key, q ? q : "not a text");
            continue;
        }
        if (!renamed(&answer, a, t)) { /* an answer need not */
            buf_clear(&answer);
            buf_puts(&answer, a);
        }
        enough = !buf_failed(&question) && !buf_failed(&answer) &&
                 dataset_item_turn(item, buf_text(&question), buf_text(&answer));
    }
    buf_release(&question);
    buf_release(&answer);
    return enough;
}

static int add(dataset_item *item, const char *picture, void *payload)
{
    const texts *t = payload;
    const char *path;
    json_t *pairs;
    int enough = add_captions(item, json_object_get(t->captions, picture), t);

    json_object_foreach(t->questions, path, pairs)
    {
        if (enough && strcmp(path_base(path), picture) == 0)
            enough = add_questions(item, pairs, t);
    }
    return enough;
}

/* NULL without an error when the file is not there. */
static rap_status read_beside(json_t **out, const char *folder, const char *name, rap_err *err)
{
    char *path = path_join(folder, name);
    rap_status status = path ? RAP_OK : err_memory(err, "reading texts");

    if (status == RAP_OK && file_exists(path))
        status = json_read(out, path, LIMIT, err);
    free(path);
    return status;
}

static rap_status read_concept(source_sink *sink, const char *folder, const char *name,
                               rap_err *err)
{
    texts t = { .word = name, .spaced = mem_string(name), .sink = sink };
    char category[64];
    object_folder f = {
        .folder = name, .identity = name, .category = category, .add = add, .payload = &t
    };
    rap_status status = t.spaced ? RAP_OK : err_memory(err, "reading texts");

    object_folder_category(category, name);
    for (char *c = t.spaced; c && *c; c++)
        if (*c == '_')
            *c = ' ';
    if (status == RAP_OK)
        status = read_beside(&t.captions, folder, "captions.json", err);
    if (status == RAP_OK && !t.captions)
        status = read_beside(&t.captions, folder, "captions_augmented.json", err);
    if (status == RAP_OK)
        status = read_beside(&t.questions, folder, "additional_llava_vqa_data.json", err);
    if (status == RAP_OK)
        status = object_folder_read(&f, sink, err);
    json_decref(t.captions);
    json_decref(t.questions);
    free(t.spaced);
    return status;
}

rap_status source_myvlm(source_sink *sink, rap_err *err)
{
    char **name = NULL;
    size_t count = 0;
    rap_status status = source_list(&name, &count, sink->source->images, err);

    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        char *folder = path_join(sink->source->images, name[i]);

        if (!folder)
            status = err_memory(err, "reading concepts");
        else if (file_is_folder(folder))
            status = read_concept(sink, folder, name[i], err);
        free(folder);
        if (status == RAP_OK)
            status = source_progress(sink, (double)(i + 1) / (double)count, err);
    }
    source_list_free(name, count);
    return status;
}
