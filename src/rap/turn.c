/* turn.c: certainty, pictures, then what did not fit. */
#include "rap/turn.h"

#include "base/mem.h"
#include "rap/matches.h"
#include "rap/name_list.h"

#include <stdlib.h>

/* ---- certainty ---- */

/* 0: the user named it, or the conversation has it; 1: found; 2: a look-alike of a better match at the same place. */
static int doubt(const rap_matches *m, size_t i)
{
    const rap_match *match = &m->match[i];

    if (match->reason == RAP_REASON_NAME || match->reason == RAP_REASON_EDITED)
        return 0;
    for (size_t j = 0; match->ambiguous && j < i; j++)
        if (m->match[j].ambiguous == match->ambiguous)
            return 2;
    return 1;
}

static void sort_by_certainty(int *order, const rap_matches *m)
{
    size_t at = 0;

    for (int level = 0; level <= 2; level++)
        for (size_t i = 0; i < m->count; i++)
            if (doubt(m, i) == level)
                order[at++] = (int)i;
}

/* ---- concepts and pictures ---- */

rap_status turn_init(turn *t, rap *r, const rap_matches *m, int no_avatars)
{
    int vision = generator_has_vision(r->generator) && !no_avatars;
    rap_status status = RAP_OK;

    *t = (turn){ .count = m->count };
    t->order = mem_array(m->count, sizeof *t->order);
    t->place = mem_array(m->count, sizeof *t->place);
    t->concept = mem_array(m->count, sizeof *t->concept);
    t->picture = mem_array(m->count, sizeof *t->picture);
    t->shown = mem_array(m->count, sizeof *t->shown);
    t->view_id = mem_array(m->count, sizeof *t->view_id);
    if (!t->order || !t->place || !t->concept || !t->picture || !t->shown || !t->view_id)
        return err_memory(&r->err, "preparing a question");
    sort_by_certainty(t->order, m);
    for (size_t i = 0; status == RAP_OK && i < m->count; i++) {
        const rap_match *match = &m->match[t->order[i]];
        shown_concept *shown = &t->shown[i];

        if (vision)
            status = shown_open(shown, r, match->id, &t->encoded);
        t->place[i] = t->order[i];
        t->concept[i] = (prompt_concept){ match->name, match->info, vision };
        t->picture[i] = (session_picture){ shown->pixels.rgb ? &shown->pixels : NULL, shown->tokens,
                                           shown->floats };
        t->view_id[t->order[i]] = shown->view_id;
    }
    return status;
}

void turn_release(turn *t)
{
    for (size_t i = 0; t->shown && i < t->count; i++)
        shown_release(&t->shown[i]);
    free(t->order);
    free(t->place);
    free(t->concept);
    free(t->picture);
    free(t->shown);
    free(t->view_id);
    *t = (turn){ .count = 0 };
}

/* ---- what did not fit ---- */

/* The names of the places [from, to) in the order of certainty. */
static const char **names_of(const turn *t, size_t from, size_t to)
{
    const char **name = mem_array(to - from, sizeof *name), **out = NULL;

    for (size_t i = from; name && i < to; i++)
    name[i - from] = t->concept[i].name;
    if (name)
        out = name_list_new(name, to - from);
    free(name);
    return out;
}

static void keep_first(turn *t, rap_matches *m, size_t kept, size_t with_picture, bool *keep)
{
    size_t to = 0;

    for (size_t i = 0; i < t->count; i++) {
        keep[t->order[i]] = i < kept;
        if (i >= with_picture)
            t->view_id[t->order[i]] = 0;
    }
    for (size_t i = 0; i < t->count; i++)
        if (keep[i])
            t->view_id[to++] = t->view_id[i];
    matches_keep(m, keep);
}

rap_status turn_settle(turn *t, rap_matches *m, const session_answer *reply, rap_answer *a,
                       rap_err *err)
{
    size_t kept = t->count - (size_t)reply->dropped;
    size_t with_picture = kept - (size_t)reply->pictures_dropped;
    bool *keep = mem_array(t->count, sizeof *keep);

    a->dropped = reply->dropped;
    a->pictures_dropped = reply->pictures_dropped;
    a->dropped_names = names_of(t, kept, t->count);
    a->without_picture = names_of(t, with_picture, kept);
    if (keep && a->dropped_names && a->without_picture)
        keep_first(t, m, kept, with_picture, keep);
    free(keep);
    return a->dropped_names && a->without_picture && keep ? RAP_OK
                                                          : err_memory(err, "keeping an answer");
}
