/* projector_part.c: see projector_part.h. */
#include "train/projector_part.h"

#include "base/mem.h"
#include "generate/vlm_inside.h"
#include "train/optimiser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rap_status open_trainable(projector_part *out, vlm *v, rap_err *err)
{
    rap_status status;

    if (!v->mmproj_path)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: has no projector (no \"mmproj\" in the profile)", v->model_path);
    if (!v->tower)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: its pictures are encoded by llama.cpp, which does not give out what "
                       "the projector takes "
                       "in; only LLaVA's is trained",
                       v->mmproj_path);
    status = gguf_file_open(&out->mmproj, v->mmproj_path, err);
    if (!status && !projector_width(out->mmproj))
        status =
            err_set(err, RAP_E_UNSUPPORTED,
                    "%s: its projector is not LLaVA's of two layers, the only one that is trained",
                    v->mmproj_path);
    return status ? status : tower_keep_features(v->tower, err);
}

rap_status projector_part_choose(projector_part *out, bool must, vlm *v, char why[160],
                                 rap_err *err)
{
    rap_err reason = { 0 };
    rap_status status;

    *out = (projector_part){ .mmproj = NULL };
    status = open_trainable(out, v, &reason);
    if (!status)
        return RAP_OK;
    projector_part_close(out);
    if (!must && status == RAP_E_UNSUPPORTED) {
        snprintf(why, 160, "%.159s", reason.text);
        return RAP_OK;
    }
    return err_set(err, status, "%s; give --projector off", reason.text);
}

rap_status projector_part_open(projector_part *out, int64_t most, int threads, rap_err *err)
{
    rap_status status;

    if (!out->mmproj)
        return RAP_OK;
    status = projector_open(&out->p, out->mmproj, most, threads, err);
    if (status)
        return status;
    out->m = mem_array(out->p.params, sizeof *out->m);
    out->v = mem_array(out->p.params, sizeof *out->v);
    out->dout = mem_array((size_t)(most * out->p.out), sizeof *out->dout);
    return out->m && out->v && out->dout ? RAP_OK : err_memory(err, "preparing a projector");
}

void projector_part_close(projector_part *p)
{
    gguf_file_close(p->mmproj);
    projector_close(&p->p);
    free(p->m);
    free(p->v);
    free(p->dout);
    *p = (projector_part){ .mmproj = NULL };
}

double projector_part_bytes(const projector_part *p, int64_t most)
{
    const gguf_tensor *last = p->mmproj ? gguf_find(p->mmproj, "mm.2.weight") : NULL;
    const gguf_tensor *first = p->mmproj ? gguf_find(p->mmproj, "mm.0.weight") : NULL;

    if (!first || !last)
        return 0;
    return (double)projector_bytes(p->mmproj, most) +
           (double)sizeof(real) *
               (2 * (double)(first->ne[0] * first->ne[1] + last->ne[0] * last->ne[1]) +
                (double)(most * last->ne[1]));
}

void projector_part_run(projector_part *p, const batch *b)
{
    if (p->mmproj)
        projector_run(&p->p, b->pixels, b->pixel_rows);
}

/* The rows that are pictures', in the order of the batch's features. */
void projector_part_back(projector_part *p, const batch *b, const real *input_gradient)
{
    if (!p->mmproj)
        return;
    for (int64_t t = 0; t < b->rows.count; t++)
        if (b->token[t] < 0)
            memcpy(p->dout + (b->picture[t] - b->projected), input_gradient + t * b->width,
                   (size_t)b->width * sizeof *p->dout);
    projector_back(&p->p, b->pixels, p->dout, b->pixel_rows);
}

void projector_part_step(projector_part *p, int64_t t, double lr, double scale, int threads)
{
    if (p->mmproj)
        adam_step(&(adam){ .param = p->p.param,
                           .grad = p->p.grad,
                           .m = p->m,
                           .v = p->v,
                           .count = p->p.params,
                           .t = t,
                           .lr = lr,
                           .scale = scale },
                  threads);
}

double projector_part_norm(const projector_part *p, int threads)
{
    return p->mmproj ? gradient_norm(p->p.grad, p->p.params, threads) : 0;
}

rap_status projector_part_write(const projector_part *p, const char *path, rap_err *err)
{
    return p->mmproj ? projector_write(&p->p, p->mmproj, path, err) : RAP_OK;
}
