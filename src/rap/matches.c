/* matches.c: making, shortening and freeing a list of matches. */
#include "rap/matches.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *rap_reason_text(rap_reason reason)
{
    switch (reason) {
    case RAP_REASON_REGION:
        return "region";
    case RAP_REASON_WHOLE:
        return "whole";
    case RAP_REASON_NAME:
        return "name";
    case RAP_REASON_EDITED:
        return "edited";
    }
    return "unknown";
}

static void free_match(rap_match *m)
{
    free((char *)m->name);
    free((char *)m->category);
    free((char *)m->info);
}

void rap_matches_free(rap_matches *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free_match(&m->match[i]);
    free(m->match);
    while (m->denied_count > 0)
        free_match(&m->denied[--m->denied_count]);
    free(m->denied);
    detect_regions_free(m->region, (int)m->region_count);
    free(m);
}

void matches_keep(rap_matches *m, const bool *keep)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (keep[i])
            m->match[kept++] = m->match[i];
        else
            free_match(&m->match[i]);
    }
    m->count = kept;
}

rap_status matches_grow(rap_matches *m, size_t more, rap_err *err)
{
    rap_match *grown = realloc(m->match, (m->count + more + 1) * sizeof *grown);

    if (!grown)
        return err_memory(err, "listing matches");
    memset(grown + m->count, 0, (more + 1) * sizeof *grown);
    m->match = grown;
    return RAP_OK;
}

rap_status matches_new(rap_matches **out, const sighting *seen, int room, rap_err *err)
{
    rap_matches *m = *out = mem_array(1, sizeof *m);

    if (!m || !(m->match = mem_array((size_t)room, sizeof *m->match)))
        return err_memory(err, "listing matches");
    if (!seen)
        return RAP_OK;
    m->width = seen->width;
    m->height = seen->height;
    m->detect_ms = seen->detect_ms;
    m->embed_ms = seen->embed_ms;
    m->search_ms = seen->search_ms;
    m->region = mem_array((size_t)seen->count, sizeof *m->region);
    if (!m->region)
        return err_memory(err, "listing regions");
    for (int i = 0; i < seen->count; i++) {
        m->region[i] = seen->region[i];
        m->region[i].label = mem_string(seen->region[i].label);
        m->region_count++;
        if (!m->region[i].label)
            return err_memory(err, "listing regions");
    }
    return RAP_OK;
}

rap_status matches_add(rap_matches *m, const rap_record *record, const rank_result *from,
                       rap_err *err)
{
    rap_match *match = &m->match[m->count++];

    match->id = record->id;
    match->name = mem_string(record->name);
    match->category = mem_string(record->category ? record->category : "");
    match->info = mem_string(record->info ? record->info : "");
    match->distance = from->distance;
    match->reason = from->reason;
    match->ambiguous = from->ambiguous;
    match->verified = -1;
    match->score = from->reason == RAP_REASON_NAME || from->reason == RAP_REASON_EDITED
                       ? 1
                       : fmaxf(0, 1 - from->distance / 2);
    if (from->region >= 0)
        match->box = m->region[from->region].box;
    return match->name && match->category && match->info ? RAP_OK
                                                         : err_memory(err, "listing matches");
}

rap_status matches_split(rap_matches *m, const bool *accepted, size_t judged, rap_err *err)
{
    rap_match *denied = mem_array(judged + 1, sizeof *denied);
    size_t kept = 0;

    if (!denied)
        return err_memory(err, "listing matches");
    for (size_t i = 0; i < m->count; i++) {
        if (i >= judged)
            free_match(&m->match[i]);
        else if (accepted[i])
            m->match[kept++] = m->match[i];
        else
            denied[m->denied_count++] = m->match[i];
    }
    m->count = kept;
    m->denied = denied;
    return RAP_OK;
}
