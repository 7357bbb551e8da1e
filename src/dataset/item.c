/* item.c: an item owns its texts and is shared by the kinds that chose it. */
#include "dataset/item.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *dataset_kind_name(dataset_kind kind)
{
    static const char *const names[] = { "grounding",   "recognition", "caption",
                                         "description", "qa",          "instruction" };

    return kind >= 0 && kind < KIND_COUNT ? names[kind] : "unknown";
}

static char *joined(const char *source, const char *rest)
{
    buf b = BUF_INIT;

    buf_printf(&b, "%s/%s", source, rest);
    return buf_failed(&b) ? (buf_release(&b), NULL) : buf_detach(&b);
}

dataset_item *dataset_item_new(const char *source, const char *id, const char *identity)
{
    dataset_item *item = mem_array(1, sizeof *item);

    if (!item)
        return NULL;
    item->references = 1;
    item->key = joined(source, id);
    item->identity = joined(source, identity);
    item->category = mem_string("");
    item->info = mem_string("");
    if (item->key && item->identity && item->category && item->info)
        return item;
    dataset_item_free(item);
    return NULL;
}

dataset_item *dataset_item_keep(dataset_item *item)
{
    item->references++;
    return item;
}

void dataset_item_free(dataset_item *item)
{
    if (!item || --item->references > 0)
        return;
    for (int i = 0; i < item->captions; i++)
        free(item->caption[i]);
    for (int i = 0; i < item->turns; i++) {
        free(item->turn[i].question);
        free(item->turn[i].answer);
    }
    for (int i = 0; i < item->companions; i++)
        free(item->company[i]);
    free(item->company);
    free(item->scene);
    free(item->caption);
    free(item->turn);
    free(item->key);
    free(item->identity);
    free(item->concept.picture);
    free(item->query.picture);
    mask_free(item->mask);
    free(item->mask_picture);
    free(item->name);
    free(item->category);
    free(item->info);
    json_decref(item->conversations);
    free(item);
}

int dataset_item_place(dataset_place *out, const char *source, const char *path, rap_box box)
{
    free(out->picture);
    out->picture = joined(source, path);
    out->box = box;
    return out->picture != NULL;
}

int dataset_item_text(char **out, const char *text)
{
    free(*out);
    *out = mem_string(text);
    return *out != NULL;
}

int dataset_item_mask_picture(dataset_item *item, const char *source, const char *path)
{
    free(item->mask_picture);
    item->mask_picture = joined(source, path);
    return item->mask_picture != NULL;
}

int dataset_item_scene(dataset_item *item, const char *source, const char *scene)
{
    free(item->scene);
    item->scene = joined(source, scene);
    return item->scene != NULL;
}

/* Takes `text` over; NULL: memory ran out. */
static int append(char ***list, int *count, char *text)
{
    char **grown = text ? realloc(*list, ((size_t)*count + 1) * sizeof *grown) : NULL;

    if (!grown) {
        free(text);
        return 0;
    }
    *list = grown;
    grown[(*count)++] = text;
    return 1;
}

int dataset_item_companion(dataset_item *item, const char *source, const char *identity)
{
    return append(&item->company, &item->companions, joined(source, identity));
}

int dataset_item_caption(dataset_item *item, const char *caption)
{
    return append(&item->caption, &item->captions, mem_string(caption));
}

int dataset_item_turn(dataset_item *item, const char *question, const char *answer)
{
    dataset_turn *grown = realloc(item->turn, ((size_t)item->turns + 1) * sizeof *grown);
    dataset_turn turn = { mem_string(question), mem_string(answer) };

    if (grown)
        item->turn = grown;
    if (grown && turn.question && turn.answer) {
        grown[item->turns++] = turn;
        return 1;
    }
    free(turn.question);
    free(turn.answer);
    return 0;
}

int dataset_item_serves(const dataset_item *item, dataset_kind kind)
{
    bool concept = item->concept.picture != NULL, query = item->query.picture != NULL;
    bool both = concept && query, found = both && !item->one_picture;

    switch (kind) {
    case KIND_GROUNDING:
        return found && item->query.box.w > 0;
    case KIND_RECOGNITION:
        return found && *item->category;
    case KIND_CAPTION:
        return found && item->captions > 0;
    case KIND_DESCRIPTION:
        return both && *item->info;
    case KIND_QA:
        return concept
        &&(*item->info || *item->category || (query && item->turns > 0));
    case KIND_INSTRUCTION:
        return item->conversations != NULL;
    case KIND_COUNT:
        break;
    }
    return 0;
}
