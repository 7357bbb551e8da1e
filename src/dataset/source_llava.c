/* source_llava.c: instruction data in LLaVA's format: a JSON list of {"id", "image", "conversations": [{"from",
 * "value"}…]}, the plain share of a mix that keeps what a model could do before. Conversations that are not pairs
 * of human and gpt turns are left out.
 *
 * Memory: one entry. */
#include "dataset/sample.h"
#include "dataset/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static rap_status take(source_sink *sink, json_t *entry, uint64_t number, rap_err *err)
{
    const rap_box whole = { 0, 0, 0, 0 };
    const char *source = sink->source->name;
    char id[160], own[100], where[200];
    sample s;
    rap_err why = { 0 };
    dataset_item *item;

    sink->report->read++;
    snprintf(where, sizeof where, "entry %" PRIu64, number);
    if (sample_read(&s, entry, where, &why) != RAP_OK) {
        report_drop(sink->report, DROP_TEXT, "%s", why.text);
        return why.status == RAP_E_MEMORY ? err_memory(err, "reading conversations") : RAP_OK;
    }
    report_copy(own, sizeof own, s.id);
    snprintf(id, sizeof id, "%" PRIu64 "-%s", number, own);
    if (s.image && !source_path(s.image, sink)) {
        sample_release(&s);
        return RAP_OK;
    }
    item = dataset_item_new(source, id, id);
    if (item && (!s.image || dataset_item_place(&item->query, source, s.image, whole))) {
        item->conversations = json_incref(json_object_get(entry, "conversations"));
    } else {
        dataset_item_free(item);
        item = NULL;
    }
    sample_release(&s);
    return source_offer(sink, item, err);
}

rap_status source_llava(source_sink *sink, rap_err *err)
{
    json_walk *w = NULL;
    bool more = true;
    rap_status status = json_walk_open(&w, sink->source->annotations, err);

    if (status == RAP_OK)
        status = json_walk_enter(w, '[', err);
    for (uint64_t i = 0; status == RAP_OK; i++) {
        json_t *entry = NULL;

        status = json_walk_item(&more, w, err);
        if (status != RAP_OK || !more)
            break;
        status = json_walk_value(&entry, w, err);
        if (status == RAP_OK)
            status = take(sink, entry, i, err);
        json_decref(entry);
        if (status == RAP_OK && i % 1024 == 0)
            status = source_progress(sink, json_walk_share(w), err);
    }
    json_walk_close(w);
    return status;
}
