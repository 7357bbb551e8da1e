/* retriever.h: the steps of retrieval put together: a photo in, its regions with their neighbours out.
 * What it keeps of the store (index, vocabulary) follows every change, whoever made it. */
#ifndef RAP_RETRIEVE_RETRIEVER_H
#define RAP_RETRIEVE_RETRIEVER_H

#include "retrieve/detect.h"
#include "retrieve/embed.h"
#include "retrieve/judge.h"
#include "retrieve/rank.h"

typedef struct retriever retriever;

typedef struct retriever_options { /* everything is borrowed */
    store *store;
    encoder *encoder;
    encoder *texts;       /* with a detector: has its text tower; often the same */
    yolo_world *detector; /* NULL: the whole photo is the one region */
    const char *maker;    /* embed_maker() of `encoder` and `crop` */
    embed_crop crop;
    judge_settings judge;
    detect_settings detect;
    int read_only, threads;
    rap_on_progress *on_progress; /* while pictures are embedded again */
    void *payload;
} retriever_options;

rap_status retriever_new(retriever **out, const retriever_options *options, rap_err *err);
void retriever_free(retriever *r);

/* What was seen in a photo, before any policy: it can be ranked again for another text. */
typedef struct sighting {
    rap_region *region; /* [count] */
    search_hit *hit;    /* [count, RANK_HITS]; under the default policy the nearest that no correction refuses */
    float *score;       /* [count, RANK_HITS] by judge.h; NULL under the paper's policy */
    float *feature;     /* [count, dim] */
    int count, dim;
    int whole; /* index of the whole photo's region, −1 when it is none of them */
    int width, height;
    double detect_ms, embed_ms, search_ms;
} sighting;

/* Detects, embeds, searches and judges. The whole photo stands in where the detector found no region
 * (under the default policy), and is the one region when there is no detector. First embeds what this encoder
 * has not seen yet. */
rap_status retriever_look(retriever *r, const image *photo, rap_policy policy, sighting *out,
                          rap_err *err);
/* The first step of it alone: the regions, without what they show. */
rap_status retriever_regions(retriever *r, const image *photo, rap_policy policy, sighting *out,
                             rap_err *err);
void sighting_release(sighting *s); /* NULL-safe */

#endif
