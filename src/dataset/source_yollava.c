/* source_yollava.c: Yo'LLaVA: "images" holds train/CONCEPT/N.png and test/CONCEPT/N.png ("split": "train", the
 * default, or "test"); negative_example folders are left out. "questions" is a file of conversations {PATH:
 * [{"Human", "AI"}…]} in which "<sks>" stands for the concept; "annotations" a database.json in the official format
 * that gives categories and infos.
 *
 * Memory: the conversations, and the names of one folder. */
#include "dataset/object_folder.h"
#include "dataset/official.h"
#include "dataset/rename.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct reading {
    json_t *conversations;
    const char *concept;
    source_sink *sink;
} reading;

static const char *without_mark(const char *text)
{
    return strncmp(text, "<image>\n", 8) == 0 ? text + 8 : text;
}

static int add_turns(dataset_item *item, const json_t *turns, source_sink *sink)
{
    buf question = BUF_INIT, answer = BUF_INIT;
    int enough = 1;

    for (size_t i = 0; enough && i < json_array_size(turns); i++) {
        const json_t *turn = json_array_get(turns, i);
        const char *human = json_string_value(json_object_get(turn, "Human"));
        const char *ai = json_string_value(json_object_get(turn, "AI"));

        if (!human || !ai) {
            report_drop(sink->report, DROP_TEXT, "%s: a turn without \"Human\" and \"AI\"",
                        item->key);
            continue;
        }
        buf_clear(&question);
        buf_clear(&answer);
        rename_word(&question, without_mark(human), "sks");
        rename_word(&answer, ai, "sks");
        enough = !buf_failed(&question) && !buf_failed(&answer) &&
                 dataset_item_turn(item, buf_text(&question), buf_text(&answer));
    }
    buf_release(&question);
    buf_release(&answer);
    return enough;
}

/* Does the path end in CONCEPT/FILE? */
static int is_of(const char *path, const char *concept, const char *file)
{
    size_t path_len = strlen(path), file_len = strlen(file), len = strlen(concept);

    return path_len > file_len + len && strcmp(path + path_len - file_len, file) == 0 &&
           path[path_len - file_len - 1] == '/' &&
           strncmp(path + path_len - file_len - 1 - len, concept, len) == 0 &&
           (path_len == file_len + len + 1 || path[path_len - file_len - len - 2] == '/');
}

static int add(dataset_item *item, const char *picture, void *payload)
{
    const reading *r = payload;
    const char *path;
    json_t *turns;
    int enough = 1;

    json_object_foreach(r->conversations, path, turns)
    {
        if (enough && is_of(path, r->concept, picture))
            enough = add_turns(item, turns, r->sink);
    }
    return enough;
}

static rap_status read_concept(reading *r, const json_t *database, const char *folder, rap_err *err)
{
    buf info = BUF_INIT;
    object_folder f = { .folder = folder,
                        .identity = r->concept,
                        .category = official_field(database, r->concept, "category"),
                        .add = add,
                        .payload = r };
    rap_status status;

    rename_word(&info, official_field(database, r->concept, "info"), r->concept);
    f.info = buf_text(&info);
    status = buf_failed(&info) ? err_memory(err, "reading concepts")
                               : object_folder_read(&f, r->sink, err);
    buf_release(&info);
    return status;
}

static rap_status read_split(reading *r, const json_t *database, const char *split, rap_err *err)
{
    char *folder = path_join(r->sink->source->images, split), **name = NULL;
    size_t count = 0;
    rap_status status =
        folder ? source_list(&name, &count, folder, err) : err_memory(err, "reading concepts");

    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        char *inside = path_join(split, name[i]), *whole = path_join(folder, name[i]);

        r->concept = name[i];
        if (!inside || !whole)
            status = err_memory(err, "reading concepts");
        else if (file_is_folder(whole))
            status = read_concept(r, database, inside, err);
        free(inside);
        free(whole);
        if (status == RAP_OK)
            status = source_progress(r->sink, (double)(i + 1) / (double)count, err);
    }
    source_list_free(name, count);
    free(folder);
    return status;
}

rap_status source_yollava(source_sink *sink, rap_err *err)
{
    const plan_source *s = sink->source;
    const char *split = *s->split ? s->split : "train";
    reading r = { .sink = sink };
    json_t *database = NULL;
    rap_status status = RAP_OK;

    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        status = err_set(err, RAP_E_FORMAT, "%s: \"split\" of \"%s\" is \"%s\", not train or test",
                         sink->plan->file, s->name, split);
    if (status == RAP_OK && s->questions)
        status = json_read(&r.conversations, s->questions, 256u << 20, err);
    if (status == RAP_OK)
        status = official_open(&database, s->annotations, err);
    if (status == RAP_OK)
        status = read_split(&r, database, split, err);
    json_decref(r.conversations);
    json_decref(database);
    return status;
}
