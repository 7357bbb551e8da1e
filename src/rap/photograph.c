/* photograph.c: see photograph.h. */
#include "rap/photograph.h"

#include "image/photograph.h"

#include <stdio.h>

bool photograph_is_foreign(const rap *r, const image *im)
{
    return r->profile->drawings_only && image_is_photograph(im);
}

void photograph_note(rap *r)
{
    snprintf(
        r->note, sizeof r->note,
        "this looks like a photograph, and the profile %.80s understands drawings only; `rap pull "
        "photo-small` makes one for photographs",
        r->profile->name);
}
