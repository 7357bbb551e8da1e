/* yolo_boxes.c: boxes from distributions, non-maximum suppression, and mapping back to the
 * picture. */
#include "vision/yolo_inside.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdlib.h>

/* The expected value of softmax(x) over bins 0 .. bins - 1. */
static float expectation(const float *x, int bins)
{
    float top = x[0], sum = 0, at = 0;
    for (int i = 1; i < bins; i++)
        top = x[i] > top ? x[i] : top;
    for (int i = 0; i < bins; i++) {
        float e = expf(x[i] - top);
        sum += e;
        at += e * (float)i;
    }
    return at / sum;
}

void yolo_decode(float out[4], const yolo_level *l, int bins, int p)
{
    const float *sides = l->sides + (size_t)p * 4 * bins; /* left, top, right, bottom */
    float x = (float)(p % l->side) + 0.5f, y = (float)(p / l->side) + 0.5f;
    out[0] = (x - expectation(sides, bins)) * (float)l->stride;
    out[1] = (y - expectation(sides + bins, bins)) * (float)l->stride;
    out[2] = (x + expectation(sides + 2 * bins, bins)) * (float)l->stride;
    out[3] = (y + expectation(sides + 3 * bins, bins)) * (float)l->stride;
}

typedef struct candidate {
    float box[4]; /* xyxy on the canvas */
    float confidence;
    int label, anchor;
} candidate;

static int compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence > y->confidence ? -1 : 1;
    return x->anchor < y->anchor ? -1 : 1;
}

static rap_box box_of(const candidate *c)
{
    return (rap_box){ c->box[0], c->box[1], c->box[2] - c->box[0], c->box[3] - c->box[1] };
}

/* Every position whose best name reaches the threshold, best first. */
static int gather(candidate *out, const yolo_world *y, float threshold)
{
    int count = 0, anchor = 0, names = y->run.vocabulary->names;
    for (int i = 0; i < YOLO_LEVELS; i++) {
        const yolo_level *l = &y->level[i];
        for (int p = 0; p < l->side * l->side; p++, anchor++) {
            const float *scores = y->run.scores + (size_t)anchor * names;
            int best = 0;
            for (int t = 1; t < names; t++)
                best = scores[t] > scores[best] ? t : best;
            if (!(scores[best] >= threshold))
                continue;
            candidate *c = &out[count++];
            *c = (candidate){ .confidence = scores[best], .label = best, .anchor = anchor };
            yolo_decode(c->box, l, y->bins, p);
        }
    }
    qsort(out, (size_t)count, sizeof *out, compare);
    return count;
}

/* Greedy suppression; moves the kept boxes to the front. */
static int suppress(candidate *c, int count, const detect_options *o)
{
    int kept = 0;
    for (int i = 0; i < count && kept < o->max_boxes; i++) {
        bool hidden = false;
        for (int k = 0; k < kept && !hidden; k++)
            hidden = (o->class_agnostic || c[k].label == c[i].label) &&
                     box_iou(box_of(&c[k]), box_of(&c[i])) > o->iou;
        if (!hidden)
            c[kept++] = c[i];
    }
    return kept;
}

static float clamp(float v, float top)
{
    return v < 0 ? 0 : v > top ? top : v;
}

static bool onto_picture(detection *out, const candidate *c, yolo_letterbox fit, const image *im)
{
    float w = (float)image_full_width(im), h = (float)image_full_height(im);
    float x1 = clamp((c->box[0] - (float)fit.left) / fit.gain_x, w);
    float y1 = clamp((c->box[1] - (float)fit.top) / fit.gain_y, h);
    float x2 = clamp((c->box[2] - (float)fit.left) / fit.gain_x, w);
    float y2 = clamp((c->box[3] - (float)fit.top) / fit.gain_y, h);
    *out = (detection){ { x1, y1, x2 - x1, y2 - y1 }, c->confidence, c->label };
    return out->box.w > 0 && out->box.h > 0; /* entirely in the padding: outside the picture */
}

rap_status yolo_collect(const yolo_world *y, const image *im, yolo_letterbox fit,
                        const detect_options *options, detection **out, int *out_count,
                        rap_err *err)
{
    candidate *c = mem_array((size_t)y->anchors, sizeof *c);
    int room = options->max_boxes < y->anchors ? options->max_boxes : y->anchors;
    detection *found = mem_array((size_t)(room > 0 ? room : 1), sizeof *found);
    if (!c || !found) {
        free(c);
        free(found);
        return err_memory(err, "detecting");
    }
    int kept = suppress(c, gather(c, y, options->confidence), options), count = 0;
    for (int i = 0; i < kept; i++)
        count += onto_picture(&found[count], &c[i], fit, im);
    free(c);
    *out = found;
    *out_count = count;
    return RAP_OK;
}
