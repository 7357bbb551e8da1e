/* retriever.h: all steps of retrieval: a photo in, its regions with their nearest concepts out. Its index and
 * vocabulary follow every change of the store, by any process. */
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
    encoder *texts;       /* with a detector: the encoder with its text tower; often `encoder` */
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

/* What the language model said of concepts at boxes of a photo (rap/verify.c), so that it is asked once. */
enum { SIGHTING_VERDICTS = 128 };
typedef struct sighting_verdicts {
    struct {
        int64_t id;
        rap_box box;
        float probability;
    } item[SIGHTING_VERDICTS];
    int count;
} sighting_verdicts;

/* The regions of a photo with their neighbours, before ranking; can be ranked again for another text. */
typedef struct sighting {
    rap_region *region; /* [count] */
    search_hit *hit;    /* [count, RANK_HITS]; under the default policy the nearest that no correction rejects */
    float *score;       /* [count, RANK_HITS] by judge.h; NULL under the paper's policy */
    float *feature;     /* [count, dim] */
    int count, dim;
    int whole; /* index of the whole photo's region, −1 when it is none of them */
    int width, height;
    double detect_ms, embed_ms, search_ms;
    const image *photo; /* sighting_keep(); NULL: not kept */
    sighting_verdicts *verdicts;
} sighting;

/* Detects, embeds, searches and judges, after embedding the store's pictures that have no vector by this encoder. If
 * the detector finds no region, the whole photo is used instead (default policy); without a detector it is the only
 * region. */
rap_status retriever_look(retriever *r, const image *photo, rap_policy policy, sighting *out,
                          rap_err *err);
/* Keeps the photo, borrowed, and room for verdicts, for those who look again. */
rap_status sighting_keep(sighting *s, const image *photo, rap_err *err);
/* Detection only: the regions without features and neighbours. */
rap_status retriever_regions(retriever *r, const image *photo, rap_policy policy, sighting *out,
                             rap_err *err);
void sighting_release(sighting *s); /* NULL-safe */

#endif
