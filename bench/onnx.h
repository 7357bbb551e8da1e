/* onnx.h: ONNX Runtime as the peer of bench_vision: its C library is loaded when asked for, so nothing else needs it. */
#ifndef RAP_BENCH_ONNX_H
#define RAP_BENCH_ONNX_H

#include <stdint.h>

typedef struct onnx onnx;

/* 0, or -1 and a line on stderr. `library` is the path of libonnxruntime.so. */
int onnx_open(onnx **out, const char *library, const char *model, int threads);
void onnx_close(onnx *o); /* NULL-safe */
const char *onnx_version(const onnx *o);

/* One f32 input [dims] and one f32 output; *out is lent until the next run. */
int onnx_run(onnx *o, const char *input, const float *x, const int64_t *shape, int dims,
             const char *output, const float **out);

#endif
