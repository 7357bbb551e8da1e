/* view.h: reads and embeds a picture for the store. */
#ifndef RAP_RAP_VIEW_H
#define RAP_RAP_VIEW_H

#include "rap/handle.h"
#include "rap/picture.h"

typedef struct seen_view {
    picture picture;
    float *feature;
    store_view view;     /* borrows from picture */
    store_vector vector; /* borrows from feature */
} seen_view;
rap_status view_open(seen_view *out, rap *r, const rap_image *source, rap_box box);
void view_close(seen_view *v); /* also after a failed open */

#endif
